use super::*;

fn metadata(state: State) -> TransactionMetadata {
    let partition = |topic: &str, index| TopicPartition::new(topic, PartitionIndex(index));
    TransactionMetadata {
        producer_id: ProducerId(4000),
        previous_producer_id: ProducerId(4000),
        next_producer_id: ProducerId(5000),
        producer_epoch: ProducerEpoch(7),
        timeout_ms: 60_000,
        state,
        partitions: if state == State::Empty {
            BTreeSet::new()
        } else {
            [partition("a", 1), partition("a", 3), partition("b", 0)].into()
        },
        last_update: Timestamp(1_000),
        start: Timestamp(900),
        client_transaction_version: 2,
    }
}

fn record(metadata: Option<TransactionMetadata>) -> Record {
    Record::Transaction {
        transactional_id: "orders".to_owned(),
        metadata,
    }
}

fn through(record: &Record, version: i16) -> Record {
    let (key, value) = record.encode(version).unwrap();
    Record::decode(Some(&key), value.as_deref()).unwrap()
}

#[test]
fn every_state_comes_back_in_version_1() {
    for state in State::ALL {
        let record = record(Some(metadata(state)));
        assert_eq!(through(&record, 1), record);
        assert_eq!(State::from_name(state.name()), Some(state));
    }
    assert_eq!(State::from_name("Committed"), None);
}

#[test]
fn version_0_loses_what_only_version_1_has() {
    let mut kept = metadata(State::Ongoing);
    let before = record(Some(kept.clone()));
    kept.previous_producer_id = ProducerId::NONE;
    kept.next_producer_id = ProducerId::NONE;
    kept.client_transaction_version = 0;
    assert_eq!(through(&before, 0), record(Some(kept)));
}

#[test]
fn a_tombstone_and_an_unknown_key_come_back() {
    assert_eq!(through(&record(None), 1), record(None));
    let unknown = Record::decode(Some(&[0, 9, 1]), Some(&[1, 2])).unwrap();
    assert!(matches!(unknown, Record::Unknown { key_type: 9, .. }));
    assert_eq!(through(&unknown, 1), unknown);
}

/// Written down from the schema by hand: version 1 with one partition, and version 0.
#[test]
fn bytes_are_those_of_the_schema() {
    let mut small = metadata(State::PrepareCommit);
    small.partitions = [TopicPartition::new("t", PartitionIndex(2))].into();
    small.next_producer_id = ProducerId::NONE;
    let (key, value) = record(Some(small.clone())).encode(1).unwrap();
    assert_eq!(&key[..], b"\x00\x00\x00\x06orders");
    let mut expected = vec![0, 1];
    expected.extend(4000_i64.to_be_bytes());
    expected.extend([0, 7]);
    expected.extend(60_000_i32.to_be_bytes());
    expected.extend([2, 2, 2, b't', 2, 0, 0, 0, 2, 0]);
    expected.extend(1_000_i64.to_be_bytes());
    expected.extend(900_i64.to_be_bytes());
    expected.extend([2, 0, 8]);
    expected.extend(4000_i64.to_be_bytes());
    expected.extend([2, 2, 0, 2]);
    assert_eq!(value.unwrap(), expected);

    let (_, value) = record(Some(small)).encode(0).unwrap();
    let mut expected = vec![0, 0];
    expected.extend(4000_i64.to_be_bytes());
    expected.extend([0, 7]);
    expected.extend(60_000_i32.to_be_bytes());
    expected.extend([2, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 2]);
    expected.extend(1_000_i64.to_be_bytes());
    expected.extend(900_i64.to_be_bytes());
    assert_eq!(value.unwrap(), expected);
}

#[test]
fn damage_is_an_error() {
    let (key, value) = record(Some(metadata(State::Ongoing))).encode(1).unwrap();
    let value = value.unwrap();
    for length in 0..value.len() {
        assert!(
            Record::decode(Some(&key), Some(&value[..length])).is_err(),
            "{length}"
        );
    }
    let mut other = value.to_vec();
    other[1] = 2;
    let error = Record::decode(Some(&key), Some(&other));
    assert_eq!(error, Err(Error::ValueVersion { version: 2 }));
    let mut other = value.to_vec();
    other[16] = 8;
    let error = Record::decode(Some(&key), Some(&other));
    assert_eq!(error, Err(Error::State { number: 8 }));
    assert_eq!(Record::decode(None, None), Err(Error::NoKey));
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// The state of a line of `kafka.txt`: its name, the version of the client, and which of three.
fn of_kafka(state: State, client_version: i16, number: u8) -> TransactionMetadata {
    let partitions = [
        TopicPartition::new("a", PartitionIndex(3)),
        TopicPartition::new("__consumer_offsets", PartitionIndex(49)),
    ];
    let count = match state {
        State::Ongoing | State::PrepareCommit | State::PrepareAbort => number,
        _ => 0,
    };
    let is_last = number == 2;
    TransactionMetadata {
        producer_id: ProducerId(4000),
        previous_producer_id: ProducerId(if number == 0 { -1 } else { 4000 }),
        next_producer_id: ProducerId(if is_last { 5000 } else { -1 }),
        producer_epoch: ProducerEpoch(if is_last {
            i16::MAX
        } else {
            7 + i16::from(number)
        }),
        timeout_ms: 60_000 + i32::from(number),
        state,
        partitions: partitions.into_iter().take(count.into()).collect(),
        last_update: Timestamp(1_700_000_001_000 + i64::from(number)),
        start: Timestamp(if state == State::Empty {
            -1
        } else {
            1_700_000_000_900
        }),
        client_transaction_version: client_version,
    }
}

/// `TransactionLog` of Apache Kafka 4.3.1 wrote the lines of `kafka.txt`: state, version of the
/// client, number, version of the value, bytes.
#[test]
fn bytes_are_those_of_kafka() {
    let mut count = 0;
    for line in include_str!("kafka.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let state = State::from_name(fields[0]).unwrap();
        let client_version: i16 = fields[1].parse().unwrap();
        let mut expected = of_kafka(state, client_version, fields[2].parse().unwrap());
        let version: i16 = fields[3].parse().unwrap();
        let bytes = from_hex(fields[4]);
        let (_, ours) = record(Some(expected.clone())).encode(version).unwrap();
        if expected.partitions.len() > 1 {
            // Kafka has the topics in the order of a hash table.
            assert_eq!(ours.unwrap().len(), bytes.len(), "{line}");
        } else {
            assert_eq!(ours.unwrap(), bytes, "{line}");
        }
        if version == 0 {
            expected.previous_producer_id = ProducerId::NONE;
            expected.next_producer_id = ProducerId::NONE;
        }
        assert_eq!(TransactionMetadata::decode(&bytes), Ok(expected), "{line}");
        count += 1;
    }
    assert_eq!(count, 54);
}

#[test]
fn keys_are_those_of_kafka() {
    for (id, expected) in [
        ("orders", "000000066f7264657273"),
        ("zahlung-ü€", "0000000d7a61686c756e672dc3bce282ac"),
    ] {
        let tombstone = Record::Transaction {
            transactional_id: id.to_owned(),
            metadata: None,
        };
        let (key, value) = tombstone.encode(1).unwrap();
        assert_eq!((&key[..], value), (&from_hex(expected)[..], None));
    }
}
