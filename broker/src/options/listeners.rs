//! `listeners` and `advertised.listeners`: `NAME://HOST:PORT`, several separated by commas.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// One entry of `listeners` or `advertised.listeners`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Name of the listener, upper case.
    pub(crate) name: String,
    /// Host as written, without brackets; empty for all addresses.
    pub(crate) host: String,
    /// Port; 0 lets the system choose.
    pub(crate) port: u16,
}

/// Reads a list of endpoints. Every fault is pushed to `faults` with `key` in front.
pub(crate) fn parse(key: &str, text: &str, faults: &mut Vec<String>) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for entry in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        match parse_one(entry) {
            None => faults.push(format!(
                "{key}: '{entry}' is no listener: expected NAME://HOST:PORT, such as \
                 PLAINTEXT://127.0.0.1:9092"
            )),
            Some(endpoint) => {
                if endpoints.iter().any(|other| other.name == endpoint.name) {
                    faults.push(format!("{key}: listener {} stands twice", endpoint.name));
                }
                let taken = endpoints.iter().find(|other| {
                    other.port == endpoint.port && other.port != 0 && other.host == endpoint.host
                });
                if let Some(other) = taken {
                    faults.push(format!(
                        "{key}: listeners {} and {} have the same address",
                        other.name, endpoint.name
                    ));
                }
                endpoints.push(endpoint);
            }
        }
    }
    endpoints
}

fn parse_one(entry: &str) -> Option<Endpoint> {
    let (name, address) = entry.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let named = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    named.then_some(())?;
    Some(Endpoint {
        name: name.to_ascii_uppercase(),
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

impl Endpoint {
    /// True where the host means every address of the machine.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.host.is_empty()
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_unspecified())
    }

    /// The addresses to bind. `localhost` is 127.0.0.1 and ::1, whatever the resolver says, so that
    /// clients of both kinds reach it.
    ///
    /// # Errors
    /// What the resolver says about a host name.
    pub(crate) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let at = |ip: IpAddr| SocketAddr::new(ip, self.port);
        if self.host.is_empty() {
            return Ok(vec![
                at(Ipv4Addr::UNSPECIFIED.into()),
                at(Ipv6Addr::UNSPECIFIED.into()),
            ]);
        }
        if self.host == "localhost" {
            return Ok(vec![
                at(Ipv4Addr::LOCALHOST.into()),
                at(Ipv6Addr::LOCALHOST.into()),
            ]);
        }
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![at(ip)]);
        }
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str, u16)], faults_expected: usize) {
        let mut faults = Vec::new();
        let endpoints = parse("listeners", text, &mut faults);
        let found: Vec<_> = endpoints
            .iter()
            .map(|endpoint| {
                (
                    endpoint.name.as_str(),
                    endpoint.host.as_str(),
                    endpoint.port,
                )
            })
            .collect();
        assert_eq!(found, expected, "{text}");
        assert_eq!(faults.len(), faults_expected, "{text}: {faults:?}");
    }

    #[test]
    fn endpoints_are_read_as_kafka_writes_them() {
        check("PLAINTEXT://:9092", &[("PLAINTEXT", "", 9092)], 0);
        check(
            "plaintext://127.0.0.1:0",
            &[("PLAINTEXT", "127.0.0.1", 0)],
            0,
        );
        check(
            "A://[::1]:1, B://host.name:2",
            &[("A", "::1", 1), ("B", "host.name", 2)],
            0,
        );
        check("A://h:1,A://h:2", &[("A", "h", 1), ("A", "h", 2)], 1);
        check("A://h:1,B://h:1", &[("A", "h", 1), ("B", "h", 1)], 1);
        for wrong in [
            "h:1",
            "A://h",
            "A://h:99999",
            "A://::1:9",
            "://h:1",
            "A://[::1:9",
        ] {
            check(wrong, &[], 1);
        }
    }

    #[test]
    fn wildcards_are_every_form_of_all_addresses() {
        for (host, wildcard) in [
            ("", true),
            ("0.0.0.0", true),
            ("::", true),
            ("127.0.0.1", false),
        ] {
            let endpoint = Endpoint {
                name: "A".to_owned(),
                host: host.to_owned(),
                port: 1,
            };
            assert_eq!(endpoint.is_wildcard(), wildcard, "{host}");
        }
    }
}
