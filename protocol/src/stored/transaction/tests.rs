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
