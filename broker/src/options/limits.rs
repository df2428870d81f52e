//! Bounds on requests and connections, from the values in force.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use milena_protocol::config::BrokerValues;

use crate::net::AcceptLimits;

/// Share of the memory that requests may take where `queued.max.request.bytes` is not set.
const REQUEST_MEMORY_SHARE: u64 = 4;
/// Taken for the memory where the system does not tell it.
const MEMORY_BYTES_UNKNOWN: u64 = 4 << 30;

/// What every connection looks up; replaced as a whole when a value changes.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// `socket.request.max.bytes`.
    pub(crate) request_bytes_max: usize,
    /// `connections.max.idle.ms`.
    pub(crate) connections_max_idle: Duration,
    /// `fetch.max.bytes`.
    pub(crate) fetch_bytes_max: usize,
    /// Limits on what listeners accept.
    pub(crate) accept: AcceptLimits,
}

impl Limits {
    /// Reads the values.
    pub(crate) fn new(values: &BrokerValues) -> Self {
        let size = |key| usize::try_from(values.int(key)).unwrap_or(0);
        Self {
            request_bytes_max: size("socket.request.max.bytes"),
            connections_max_idle: match u64::try_from(values.long("connections.max.idle.ms")) {
                Ok(ms) => Duration::from_millis(ms),
                // Negative: connections are never closed for being idle.
                Err(_) => Duration::from_secs(10 * 365 * 86_400),
            },
            fetch_bytes_max: size("fetch.max.bytes"),
            accept: AcceptLimits {
                connections_max: size("max.connections"),
                per_ip_max: size("max.connections.per.ip"),
                per_ip_overrides: overrides(
                    &values
                        .string("max.connections.per.ip.overrides")
                        .unwrap_or_default(),
                ),
            },
        }
    }
}

/// `host:count`, several separated by commas. Host names are resolved by nobody here: addresses only.
fn overrides(text: &str) -> BTreeMap<IpAddr, usize> {
    text.split(',')
        .filter_map(|entry| entry.trim().rsplit_once(':'))
        .filter_map(|(host, count)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some((host.parse().ok()?, count.trim().parse().ok()?))
        })
        .collect()
}

/// Bytes of requests that the process holds at once.
pub(crate) fn request_memory_bytes(values: &BrokerValues) -> u64 {
    match u64::try_from(values.long("queued.max.request.bytes")) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => memory_bytes() / REQUEST_MEMORY_SHARE,
    }
}

fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    let bytes = info
        .totalram
        .saturating_mul(u64::from(info.mem_unit).max(1));
    if bytes == 0 {
        MEMORY_BYTES_UNKNOWN
    } else {
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_addresses_with_counts() {
        let read = overrides("127.0.0.1:5, [::1]:7,host:3,");
        let expected = [
            (IpAddr::from([127, 0, 0, 1]), 5),
            ("::1".parse().expect("address"), 7),
        ];
        assert_eq!(read, BTreeMap::from(expected));
    }
}
