//! Relations among keys of a broker (`KafkaConfig.validateValues`).

use crate::config::broker_values::BrokerValues;
use crate::config::definition::Fault;

/// Pairs of keys of which the first is at most the second.
const AT_MOST: &[(&str, &str)] = &[
    (
        "group.min.session.timeout.ms",
        "group.max.session.timeout.ms",
    ),
    ("replica.fetch.wait.max.ms", "replica.lag.time.max.ms"),
];

/// Keys with a default for groups between a smallest and a largest value of a group's override.
const BOUNDED: &[(&str, &str)] = &[
    ("group.consumer", "session.timeout.ms"),
    ("group.consumer", "heartbeat.interval.ms"),
    ("group.consumer", "assignment.interval.ms"),
    ("group.share", "session.timeout.ms"),
    ("group.share", "heartbeat.interval.ms"),
    ("group.share", "assignment.interval.ms"),
    ("group.share", "record.lock.duration.ms"),
    ("group.share", "delivery.count.limit"),
    ("group.share", "partition.max.record.locks"),
    ("group.streams", "session.timeout.ms"),
    ("group.streams", "heartbeat.interval.ms"),
    ("group.streams", "assignment.interval.ms"),
];

/// Group protocols whose session must be longer than the heartbeat interval.
const SESSIONS: &[&str] = &["group.consumer", "group.share", "group.streams"];

/// Smallest key map of one cleaner thread, in bytes.
const DEDUPE_BUFFER_BYTES_MIN: i64 = 1 << 20;

/// What is wrong with values that are each allowed.
pub(in crate::config) fn relations(values: &BrokerValues) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (low, high) in AT_MOST {
        at_most(values, low, high, &mut faults);
    }
    for (prefix, name) in BOUNDED {
        let key = format!("{prefix}.{name}");
        at_most(values, &format!("{prefix}.min.{name}"), &key, &mut faults);
        at_most(values, &key, &format!("{prefix}.max.{name}"), &mut faults);
    }
    for prefix in SESSIONS {
        let heartbeat = format!("{prefix}.heartbeat.interval.ms");
        let session = format!("{prefix}.session.timeout.ms");
        if values.long(&heartbeat) >= values.long(&session) {
            faults.push(fault(&heartbeat, format!("must be less than {session}")));
        }
    }
    at_most(
        values,
        "group.streams.num.standby.replicas",
        "group.streams.max.standby.replicas",
        &mut faults,
    );
    retention(values, &mut faults);
    sizes(values, &mut faults);
    identity(values, &mut faults);
    faults
}

fn fault(key: &str, reason: String) -> Fault {
    Fault {
        key: key.to_owned(),
        message: format!("{key} {reason}"),
    }
}

fn at_most(values: &BrokerValues, low: &str, high: &str, faults: &mut Vec<Fault>) {
    if values.long(low) > values.long(high) {
        faults.push(fault(low, format!("must be less than or equal to {high}")));
    }
}

fn retention(values: &BrokerValues, faults: &mut Vec<Fault>) {
    for key in [
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ] {
        if values
            .long_or_none(key)
            .is_some_and(|amount| amount == 0 || amount < -1)
        {
            let reason = "must be unlimited (-1) or, equal or greater than 1".to_owned();
            faults.push(fault(key, reason));
        }
    }
    for (key, min) in [("log.roll.ms", 1), ("log.roll.jitter.ms", 0)] {
        if values.long_or_none(key).is_some_and(|amount| amount < min) {
            faults.push(fault(
                key,
                format!("must be greater than or equal to {min}"),
            ));
        }
    }
    if values.long("log.cleaner.min.compaction.lag.ms")
        > values.long("log.cleaner.max.compaction.lag.ms")
    {
        faults.push(fault(
            "log.cleaner.min.compaction.lag.ms",
            "must be less than or equal to log.cleaner.max.compaction.lag.ms".to_owned(),
        ));
    }
}

fn sizes(values: &BrokerValues, faults: &mut Vec<Fault>) {
    let threads = values.long("log.cleaner.threads").max(1);
    if values.long("log.cleaner.dedupe.buffer.size") / threads < DEDUPE_BUFFER_BYTES_MIN {
        let reason = "must be at least 1 MiB for each cleaner thread".to_owned();
        faults.push(fault("log.cleaner.dedupe.buffer.size", reason));
    }
    let queued = values.long("queued.max.request.bytes");
    if queued > 0 && queued < values.long("socket.request.max.bytes") {
        let reason = "must be larger or equal to socket.request.max.bytes".to_owned();
        faults.push(fault("queued.max.request.bytes", reason));
    }
}

fn identity(values: &BrokerValues, faults: &mut Vec<Fault>) {
    let broker_id = values.long("broker.id");
    if let Some(node_id) = values.long_or_none("node.id")
        && broker_id >= 0
        && broker_id != node_id
    {
        faults.push(fault(
            "broker.id",
            format!("must be equal to node.id ({node_id})"),
        ));
    }
}
