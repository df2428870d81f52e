//! What the broker counts, and its text form for Prometheus. [`DEFS`] is the whole list;
//! `docs/metrics.md` is written from it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use milena_protocol::api;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of durations below bounds.
    Histogram,
}

impl Kind {
    /// Prometheus' word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Def {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
    /// Its labels; their values are bounded.
    pub labels: &'static [&'static str],
}

macro_rules! defs {
    ($($constant:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(const $constant: Def = Def {
            name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*],
        };)*

        /// Every metric of the broker, by name.
        pub const DEFS: &[Def] = &[$($constant),*];
    };
}

defs! {
    APPENDED_BATCHES Counter "milena_broker_batches_in_total" [] "Record batches appended by producers.";
    APPENDED_BYTES Counter "milena_broker_bytes_in_total" [] "Bytes of record batches appended by producers.";
    FETCHED_BYTES Counter "milena_broker_bytes_out_total" [] "Bytes of record batches given to consumers.";
    CONNECTIONS Gauge "milena_broker_connections" [] "Open client connections.";
    DAMAGED_PARTITIONS Gauge "milena_broker_damaged_partition_count" [] "Partitions whose log is damaged or cannot be opened.";
    EXPIRED_MEMBERS Counter "milena_broker_expired_members_total" [] "Members that their groups have removed since they were not heard of in time.";
    REJECTED_PRODUCES Counter "milena_broker_failed_produce_requests_total" [] "Partitions of Produce requests answered with an error.";
    GROUPS Gauge "milena_broker_group_count" ["protocol" "state"] "Groups that this broker coordinates.";
    GROUP_PARTITIONS Gauge "milena_broker_group_partition_count" ["state"] "Partitions of __consumer_offsets that this broker leads: loading, active (served), failed (not served, see the log).";
    SYNC_SECONDS Histogram "milena_broker_log_flush_seconds" [] "Time that one sync of one partition took.";
    SYNCED_PARTITIONS Counter "milena_broker_log_flushes_total" [] "Syncs of partitions.";
    OFFLINE_DIRECTORIES Gauge "milena_broker_offline_log_directory_count" [] "Log directories taken offline by an I/O error.";
    OFFSET_COMMITS Counter "milena_broker_offset_commits_total" [] "Partitions whose offsets were committed.";
    PARTITIONS Gauge "milena_broker_partition_count" [] "Partitions that this broker hosts.";
    REQUEST_SECONDS Histogram "milena_broker_request_seconds" ["request"] "Time from the start of a request to its response, waits for data and timers included.";
    REFUSED_REQUESTS Counter "milena_broker_requests_refused_total" [] "Requests that could not be read or are not served; their connection was closed.";
    REQUESTS Counter "milena_broker_requests_total" ["request"] "Requests that arrived.";
    TRANSACTIONS Gauge "milena_broker_transaction_count" ["state"] "Transactional ids that this broker coordinates.";
    TRANSACTION_AGE Gauge "milena_broker_transaction_oldest_seconds" [] "Age of the oldest open transaction that this broker coordinates; 0 where none is open.";
    TRANSACTION_PARTITIONS Gauge "milena_broker_transaction_partition_count" ["state"] "Partitions of __transaction_state that this broker leads: loading, active (served), failed (not served, see the log).";
    TRANSACTION_TIMEOUTS Counter "milena_broker_transaction_timeouts_total" [] "Transactions that were aborted since they took longer than their timeout.";
}

/// Upper bounds of the buckets of every histogram, in microseconds, inclusive.
const BOUNDS_US: [u64; 12] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000,
];

/// Groups and their coordinators at one moment.
#[derive(Debug, Default)]
pub(crate) struct GroupCounts {
    /// Groups by protocol and state.
    pub(crate) groups: BTreeMap<(&'static str, &'static str), u64>,
    /// Coordinators that load.
    pub(crate) loading: u64,
    /// Coordinators that serve.
    pub(crate) active: u64,
    /// Coordinators that cannot serve.
    pub(crate) failed: u64,
}

impl GroupCounts {
    fn write_groups(&self, out: &mut String) {
        let name = GROUPS.name;
        for ((protocol, state), count) in &self.groups {
            let labels = format!("protocol=\"{protocol}\",state=\"{state}\"");
            line(out, format_args!("{name}{{{labels}}} {count}"));
        }
    }

    fn write_partitions(&self, out: &mut String) {
        let states = [
            ("loading", self.loading),
            ("active", self.active),
            ("failed", self.failed),
        ];
        write_states(out, GROUP_PARTITIONS.name, states);
    }
}

/// Transactional ids and their coordinators at one moment.
#[derive(Debug, Default)]
pub(crate) struct TransactionCounts {
    /// Transactional ids by state.
    pub(crate) states: BTreeMap<&'static str, u64>,
    /// Age of the oldest open transaction, in seconds.
    pub(crate) oldest_seconds: i64,
    /// Coordinators by what they do: loading, active, failed.
    pub(crate) partitions: BTreeMap<&'static str, u64>,
}

fn write_states(
    out: &mut String,
    name: &str,
    states: impl IntoIterator<Item = (&'static str, u64)>,
) {
    for (state, count) in states {
        line(out, format_args!("{name}{{state=\"{state}\"}} {count}"));
    }
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let index = BOUNDS_US.partition_point(|&bound| bound < us);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, label: &str) {
        let separator = if label.is_empty() { "" } else { "," };
        let mut total = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS_US) {
            total += bucket.load(Ordering::Relaxed);
            let seconds = bound as f64 / 1e6;
            line(
                out,
                format_args!("{name}_bucket{{{label}{separator}le=\"{seconds}\"}} {total}"),
            );
        }
        let count = self.count.load(Ordering::Relaxed).max(total);
        line(
            out,
            format_args!("{name}_bucket{{{label}{separator}le=\"+Inf\"}} {count}"),
        );
        let braces = if label.is_empty() {
            String::new()
        } else {
            format!("{{{label}}}")
        };
        let sum = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        line(out, format_args!("{name}_sum{braces} {sum}"));
        line(out, format_args!("{name}_count{braces} {count}"));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}

/// What is counted where the text is made.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// Open client connections.
    pub(crate) connections: usize,
    /// Partitions whose log is damaged or cannot be opened.
    pub(crate) damaged_partitions: usize,
    /// Groups.
    pub(crate) groups: GroupCounts,
    /// Transactional ids.
    pub(crate) transactions: TransactionCounts,
}

/// Keys below this have counters of their own.
const KEYS: usize = 96;

/// The broker's counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: [AtomicU64; KEYS],
    request_seconds: [Histogram; KEYS],
    refused: AtomicU64,
    rejected_produces: AtomicU64,
    appended_bytes: AtomicU64,
    appended_batches: AtomicU64,
    fetched_bytes: AtomicU64,
    offset_commits: AtomicU64,
    expired_members: AtomicU64,
    transaction_timeouts: AtomicU64,
    sync_seconds: Histogram,
    partitions: AtomicI64,
    offline_directories: AtomicI64,
}

impl Metrics {
    /// All zero.
    pub(crate) fn new() -> Self {
        Self {
            requests: std::array::from_fn(|_| AtomicU64::new(0)),
            request_seconds: std::array::from_fn(|_| Histogram::default()),
            refused: AtomicU64::new(0),
            rejected_produces: AtomicU64::new(0),
            appended_bytes: AtomicU64::new(0),
            appended_batches: AtomicU64::new(0),
            fetched_bytes: AtomicU64::new(0),
            offset_commits: AtomicU64::new(0),
            expired_members: AtomicU64::new(0),
            transaction_timeouts: AtomicU64::new(0),
            sync_seconds: Histogram::default(),
            partitions: AtomicI64::new(0),
            offline_directories: AtomicI64::new(0),
        }
    }

    /// A request arrived.
    pub(crate) fn request(&self, api_key: i16) {
        if let Some(counter) = usize::try_from(api_key)
            .ok()
            .and_then(|key| self.requests.get(key))
        {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request was served.
    pub(crate) fn request_seconds(&self, api_key: i16, took: Duration) {
        let histogram = usize::try_from(api_key)
            .ok()
            .and_then(|key| self.request_seconds.get(key));
        if let Some(histogram) = histogram {
            histogram.record(took);
        }
    }

    /// A request could not be read or is not served.
    pub(crate) fn request_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A partition of a Produce request was answered with an error.
    pub(crate) fn produce_rejected(&self) {
        self.rejected_produces.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch was appended.
    pub(crate) fn appended(&self, bytes: usize) {
        self.appended_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        self.appended_batches.fetch_add(1, Ordering::Relaxed);
    }

    /// Batches were given to a consumer.
    pub(crate) fn fetched(&self, bytes: usize) {
        self.fetched_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Offsets of so many partitions were committed.
    pub(crate) fn offsets_committed(&self, count: usize) {
        self.offset_commits
            .fetch_add(count as u64, Ordering::Relaxed);
    }

    /// A group has removed a member that was not heard of in time.
    pub(crate) fn member_expired(&self) {
        self.expired_members.fetch_add(1, Ordering::Relaxed);
    }

    /// A transaction was aborted since it took too long.
    pub(crate) fn transaction_timed_out(&self) {
        self.transaction_timeouts.fetch_add(1, Ordering::Relaxed);
    }

    /// A partition was synced.
    pub(crate) fn synced(&self, took: Duration) {
        self.sync_seconds.record(took);
    }

    /// This many partitions are hosted.
    pub(crate) fn set_partitions(&self, count: usize) {
        self.partitions
            .store(i64::try_from(count).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// One more directory is offline.
    pub(crate) fn directory_failed(&self) {
        self.offline_directories.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes that producers have appended so far.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.appended_bytes.load(Ordering::Relaxed)
    }

    /// All metrics in Prometheus' text form.
    pub(crate) fn text(&self, gauges: &Gauges) -> String {
        let mut out = String::with_capacity(8 * 1024);
        for def in DEFS {
            line(&mut out, format_args!("# HELP {} {}", def.name, def.help));
            line(
                &mut out,
                format_args!("# TYPE {} {}", def.name, def.kind.name()),
            );
            match def.name {
                name if name == REQUESTS.name => self.write_requests(&mut out),
                name if name == REQUEST_SECONDS.name => self.write_request_seconds(&mut out),
                name if name == GROUPS.name => gauges.groups.write_groups(&mut out),
                name if name == GROUP_PARTITIONS.name => gauges.groups.write_partitions(&mut out),
                name if name == TRANSACTIONS.name => {
                    write_states(&mut out, name, gauges.transactions.states.clone());
                }
                name if name == TRANSACTION_PARTITIONS.name => {
                    write_states(&mut out, name, gauges.transactions.partitions.clone());
                }
                name if name == SYNC_SECONDS.name => self.sync_seconds.write(&mut out, name, ""),
                name => {
                    let value = self.single(name, gauges);
                    line(&mut out, format_args!("{name} {value}"));
                }
            }
        }
        out
    }

    fn single(&self, name: &str, gauges: &Gauges) -> i64 {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let counter = |counter: &AtomicU64| {
            i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX)
        };
        match name {
            name if name == APPENDED_BYTES.name => counter(&self.appended_bytes),
            name if name == APPENDED_BATCHES.name => counter(&self.appended_batches),
            name if name == CONNECTIONS.name => gauge(gauges.connections),
            name if name == DAMAGED_PARTITIONS.name => gauge(gauges.damaged_partitions),
            name if name == FETCHED_BYTES.name => counter(&self.fetched_bytes),
            name if name == OFFSET_COMMITS.name => counter(&self.offset_commits),
            name if name == OFFLINE_DIRECTORIES.name => {
                self.offline_directories.load(Ordering::Relaxed)
            }
            name if name == PARTITIONS.name => self.partitions.load(Ordering::Relaxed),
            name if name == REFUSED_REQUESTS.name => counter(&self.refused),
            name if name == REJECTED_PRODUCES.name => counter(&self.rejected_produces),
            name if name == TRANSACTION_AGE.name => gauges.transactions.oldest_seconds,
            name if name == EXPIRED_MEMBERS.name => counter(&self.expired_members),
            name if name == TRANSACTION_TIMEOUTS.name => counter(&self.transaction_timeouts),
            _ => counter(&self.sync_seconds.count),
        }
    }

    fn write_requests(&self, out: &mut String) {
        for (key, counter) in (0i16..).zip(&self.requests) {
            let count = counter.load(Ordering::Relaxed);
            if let (1.., Some(info)) = (count, api::info(key)) {
                let name = REQUESTS.name;
                line(
                    out,
                    format_args!("{name}{{request=\"{}\"}} {count}", info.name),
                );
            }
        }
    }

    fn write_request_seconds(&self, out: &mut String) {
        for (key, histogram) in (0i16..).zip(&self.request_seconds) {
            let count = histogram.count.load(Ordering::Relaxed);
            if let (1.., Some(info)) = (count, api::info(key)) {
                histogram.write(
                    out,
                    REQUEST_SECONDS.name,
                    &format!("request=\"{}\"", info.name),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.request(3);
        metrics.request_seconds(3, Duration::from_micros(70));
        metrics.synced(Duration::from_secs(60));
        metrics.appended(100);
        metrics.offsets_committed(7);
        let groups = GroupCounts {
            groups: [(("consumer", "Stable"), 3)].into(),
            active: 50,
            ..GroupCounts::default()
        };
        let text = metrics.text(&Gauges {
            connections: 2,
            damaged_partitions: 3,
            groups,
            transactions: TransactionCounts {
                states: [("Ongoing", 4)].into(),
                oldest_seconds: 9,
                partitions: [("active", 50)].into(),
            },
        });
        let group_lines = [
            "group_count{protocol=\"consumer\",state=\"Stable\"} 3\n",
            "group_partition_count{state=\"active\"} 50\n",
            "transaction_count{state=\"Ongoing\"} 4\n",
            "transaction_oldest_seconds 9\n",
            "transaction_partition_count{state=\"active\"} 50\n",
            "expired_members_total 0\n",
            "transaction_timeouts_total 0\n",
            "offset_commits_total 7\n",
        ];
        for line in group_lines {
            assert!(text.contains(&format!("milena_broker_{line}")), "{text}");
        }
        for def in DEFS {
            assert!(
                text.contains(&format!("# TYPE {} {}", def.name, def.kind.name())),
                "{text}"
            );
        }
        assert!(
            text.contains("milena_broker_requests_total{request=\"Metadata\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("request_seconds_bucket{request=\"Metadata\",le=\"0.0001\"} 1\n"));
        assert!(
            text.contains("milena_broker_log_flush_seconds_bucket{le=\"5\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("milena_broker_log_flush_seconds_count 1\n"),
            "{text}"
        );
        assert!(
            text.contains("milena_broker_bytes_in_total 100\n"),
            "{text}"
        );
        assert!(text.contains("milena_broker_connections 2\n"), "{text}");
        assert!(
            text.contains("milena_broker_damaged_partition_count 3\n"),
            "{text}"
        );
    }

    #[test]
    fn names_are_sorted_and_well_formed() {
        for pair in DEFS.windows(2) {
            assert!(
                pair[0].name < pair[1].name,
                "{} before {}",
                pair[0].name,
                pair[1].name
            );
        }
        for def in DEFS {
            assert!(def.name.starts_with("milena_broker_"), "{}", def.name);
            assert_eq!(
                def.kind == Kind::Counter,
                def.name.ends_with("_total"),
                "{}",
                def.name
            );
        }
    }

    /// `docs/metrics.md` as it should be.
    fn document() -> String {
        let mut out = String::from(
            "<!-- @generated by the tests of milena-broker from broker/src/metrics.rs -->\n\
             # Metrics\n\n\
             The admin listener serves them at `/metrics` in Prometheus' text form.\n\n\
             | name | kind | labels | meaning |\n|---|---|---|---|\n",
        );
        for def in DEFS {
            let labels = def.labels.join(", ");
            line(
                &mut out,
                format_args!(
                    "| `{}` | {} | {labels} | {} |",
                    def.name,
                    def.kind.name(),
                    def.help
                ),
            );
        }
        out
    }

    #[test]
    fn the_document_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let expected = document();
        if std::fs::read_to_string(path).is_ok_and(|found| found == expected) {
            return;
        }
        std::fs::write(path, expected).expect("docs/metrics.md is written");
        panic!("docs/metrics.md was stale; it is written anew, commit it");
    }
}
