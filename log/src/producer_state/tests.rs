use std::path::Path;

use milena_protocol::batch::{BatchBuilder, BatchHeader, Compression};
use milena_protocol::{
    ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp,
};
use proptest::prelude::*;

use super::*;
use crate::storage::{MemoryStorage, Storage};

const ID: ProducerId = ProducerId(7);

fn header_of(epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder.set_producer(ID, ProducerEpoch(epoch), Sequence(sequence));
    for _ in 0..count {
        builder
            .append(Timestamp(1000 + offset), None, Some(b"v"), [])
            .unwrap();
    }
    BatchHeader::parse(&builder.finish(Offset(offset))).unwrap()
}

fn transactional(mut header: BatchHeader, id: i64) -> BatchHeader {
    header.attributes = header.attributes.with_transactional();
    header.producer_id = ProducerId(id);
    header
}

fn marker(id: i64, epoch: i16, is_commit: bool, coordinator_epoch: i32) -> Marker {
    Marker {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        is_commit,
        coordinator_epoch,
        timestamp: Timestamp(5000),
    }
}

fn code(check: Check) -> ErrorCode {
    match check {
        Check::Fresh => ErrorCode::None,
        Check::Duplicate { .. } => ErrorCode::DuplicateSequenceNumber,
        Check::Refuse(code, _) => code,
    }
}

/// State after the batches (epoch, sequence, count), each at the next offset.
fn after(batches: &[(i16, i32, i32)]) -> ProducerStates {
    let mut states = ProducerStates::new(Offset(0));
    for &(epoch, sequence, count) in batches {
        let header = header_of(epoch, sequence, count, states.end().0);
        states.apply(&header);
    }
    states
}

#[test]
fn sequences_and_epochs_follow_kafkas_rules() {
    use ErrorCode::{
        DuplicateSequenceNumber as Duplicate, InvalidProducerEpoch as Fenced, None as Fresh,
        OutOfOrderSequenceNumber as Gap,
    };
    let check = |before: &[(i16, i32, i32)], (epoch, sequence, count), expected| {
        let header = header_of(epoch, sequence, count, 0);
        let answer = code(after(before).check(&header, Origin::Client));
        assert_eq!(
            answer, expected,
            "{before:?} then {epoch} {sequence} {count}"
        );
    };
    check(&[], (0, 0, 1), Fresh);
    check(&[], (3, 55, 1), Fresh);
    // Its first batch was refused or lost, and the one behind it was not.
    check(&[(0, 2, 1)], (0, 0, 2), Gap);
    check(&[(0, 0, 3)], (0, 3, 1), Fresh);
    check(&[(0, 0, 3)], (0, 4, 1), Gap);
    check(&[(0, 0, 3)], (0, 0, 3), Duplicate);
    check(&[(0, 0, 3)], (0, 0, 2), Gap);
    check(&[(0, 0, 3)], (0, 2, 1), Gap);
    check(&[(1, 0, 3)], (0, 3, 1), Fenced);
    check(&[(1, 0, 3)], (2, 0, 1), Fresh);
    check(&[(1, 0, 3)], (2, 3, 1), Gap);
    check(&[(1, 0, 3), (2, 0, 1)], (2, 0, 1), Duplicate);
    check(&[(1, 0, 3), (2, 0, 1)], (1, 0, 3), Fenced);
    check(&[(0, i32::MAX, 1)], (0, 0, 1), Fresh);
    check(&[(0, i32::MAX - 1, 3)], (0, 1, 1), Fresh);
    check(&[(0, i32::MAX - 1, 3)], (0, i32::MAX - 1, 3), Duplicate);
    check(&[(0, i32::MAX - 1, 3)], (0, i32::MAX, 1), Gap);
}

#[test]
fn five_batches_are_remembered() {
    let states = after(&[
        (0, 0, 2),
        (0, 2, 2),
        (0, 4, 2),
        (0, 6, 2),
        (0, 8, 2),
        (0, 10, 2),
    ]);
    let check = |sequence| states.check(&header_of(0, sequence, 2, 0), Origin::Client);
    assert_eq!(code(check(0)), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(
        check(2),
        Check::Duplicate {
            base_offset: Offset(2),
            last_offset: Offset(3),
            timestamp: Timestamp(1002),
        }
    );
    assert_eq!(code(check(12)), ErrorCode::None);
    assert_eq!(states.get(ID).unwrap().batches().len(), 5);
}

#[test]
fn coordinators_are_checked_for_epochs_and_replicas_for_nothing() {
    let states = after(&[(2, 0, 1)]);
    let mut header = header_of(1, 9, 1, 0);
    let answer = |header: &BatchHeader, origin| code(states.check(header, origin));
    assert_eq!(
        answer(&header, Origin::Coordinator),
        ErrorCode::InvalidProducerEpoch
    );
    assert_eq!(answer(&header, Origin::Replication), ErrorCode::None);
    header.producer_epoch = ProducerEpoch(2);
    header.base_sequence = Sequence::NONE;
    assert_eq!(answer(&header, Origin::Coordinator), ErrorCode::None);
    header.producer_id = ProducerId::NONE;
    assert_eq!(answer(&header, Origin::Client), ErrorCode::None);
}

#[test]
fn a_transaction_holds_the_stable_offset_until_its_marker_is_replicated() {
    let mut states = ProducerStates::new(Offset(10));
    states.apply(&transactional(header_of(0, 0, 5, 10), 1));
    states.apply(&transactional(header_of(0, 0, 5, 15), 2));
    states.apply(&transactional(header_of(0, 5, 5, 20), 1));
    assert_eq!(states.first_unstable(), Some(Offset(10)));
    assert!(states.has_open_transaction(ProducerId(1), ProducerEpoch(0)));

    let ended = states
        .apply_marker(&marker(1, 0, false, 3), Offset(25))
        .unwrap();
    assert_eq!(ended.first_offset, Offset(10));
    assert_eq!(ended.last_stable_offset, Offset(15));
    assert_eq!(ended.aborted().unwrap().last_offset, Offset(25));
    assert_eq!(states.first_undecided(), Some(Offset(15)));
    assert_eq!(states.first_unstable(), Some(Offset(10)));
    states.on_high_watermark(Offset(25));
    assert_eq!(states.first_unstable(), Some(Offset(10)));
    states.on_high_watermark(Offset(26));
    assert_eq!(states.first_unstable(), Some(Offset(15)));

    let ended = states
        .apply_marker(&marker(2, 0, true, 3), Offset(26))
        .unwrap();
    assert_eq!(ended.last_stable_offset, Offset(27));
    assert_eq!(ended.aborted(), None);
    assert_eq!(
        states.apply_marker(&marker(2, 0, true, 3), Offset(27)),
        None
    );
    assert_eq!(states.end(), Offset(28));
    states.on_log_start(Offset(40));
    assert_eq!(states.first_unstable(), None);
    assert_eq!(states.end(), Offset(40));
}

#[test]
fn markers_are_checked_for_both_epochs() {
    use ErrorCode::{
        InvalidProducerEpoch as Fenced, None as Fresh, TransactionCoordinatorFenced as Coordinator,
    };
    let mut open = ProducerStates::new(Offset(0));
    open.apply(&transactional(header_of(5, 0, 1, 0), 1));
    let mut ended = open.clone();
    ended.apply_marker(&marker(1, 5, true, 3), Offset(1));
    let check = |states: &ProducerStates, (epoch, coordinator), version, expected| {
        let marker = marker(1, epoch, true, coordinator);
        let answer = code(states.check_marker(&marker, version, Origin::Coordinator));
        assert_eq!(answer, expected, "epoch {epoch} version {version}");
        let replicated = states.check_marker(&marker, version, Origin::Replication);
        assert_eq!(replicated, Check::Fresh);
    };
    for version in [-1, 0, 1, 2] {
        check(&open, (4, 3), version, Fenced);
        check(&open, (6, 3), version, Fresh);
        check(&ended, (4, 3), version, Fenced);
        check(&ended, (5, 3), version, Fresh);
        check(&ended, (5, 2), version, Coordinator);
        check(&ended, (6, 2), version, Coordinator);
    }
    check(&open, (5, 3), 1, Fresh);
    check(&open, (5, 3), 2, Fenced);
}

#[test]
fn a_batch_outside_of_the_open_transaction_is_refused() {
    let mut states = ProducerStates::new(Offset(0));
    states.apply(&transactional(header_of(0, 0, 1, 0), ID.0));
    let stray = header_of(0, 1, 1, 0);
    let answer = code(states.check(&stray, Origin::Client));
    assert_eq!(answer, ErrorCode::InvalidTxnState);
    let next = transactional(stray, ID.0);
    assert_eq!(states.check(&next, Origin::Client), Check::Fresh);
}

#[test]
fn after_a_marker_a_sequence_starts_at_zero_in_a_new_epoch_only() {
    let mut states = ProducerStates::new(Offset(0));
    states.apply(&transactional(header_of(0, 0, 3, 0), ID.0));
    states.apply_marker(&marker(ID.0, 0, true, 0), Offset(3));
    let answer = |states: &ProducerStates, epoch, sequence| {
        code(states.check(&header_of(epoch, sequence, 1, 0), Origin::Client))
    };
    assert_eq!(answer(&states, 0, 3), ErrorCode::None);
    states.apply_marker(&marker(ID.0, 1, true, 0), Offset(4));
    assert_eq!(answer(&states, 1, 3), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(answer(&states, 1, 0), ErrorCode::None);
}

#[test]
fn idle_producers_expire_unless_a_transaction_is_open() {
    let mut states = ProducerStates::new(Offset(0));
    states.apply(&transactional(header_of(0, 0, 1, 0), 1));
    states.apply(&header_of(0, 0, 1, 1));
    states.expire(Timestamp(2000), 1000);
    assert_eq!(states.len(), 2);
    states.expire(Timestamp(2001), 1000);
    let ids: Vec<_> = states.iter().map(|producer| producer.id().0).collect();
    assert_eq!(ids, [1]);
    assert_eq!(states.oldest_open().unwrap().id(), ProducerId(1));
}

#[test]
fn only_the_guard_of_the_last_question_opens_a_transaction() {
    let mut states = ProducerStates::new(Offset(0));
    let first = transactional(header_of(0, 4, 1, 0), ID.0);
    assert!(!states.is_verified(&first, VerificationGuard::NONE));
    let old = states.begin_verification(&first, false, Timestamp(0));
    assert!(states.is_verified(&first, old.unwrap()));
    let earlier = transactional(header_of(0, 2, 1, 0), ID.0);
    assert_eq!(
        states.begin_verification(&earlier, false, Timestamp(0)),
        old
    );
    let answer =
        |states: &ProducerStates, header: &BatchHeader| code(states.check(header, Origin::Client));
    assert_eq!(answer(&states, &first), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(answer(&states, &earlier), ErrorCode::None);

    states.apply_marker(&marker(ID.0, 0, false, 0), Offset(0));
    assert!(!states.is_verified(&first, old.unwrap()));
    let new = states.begin_verification(&first, true, Timestamp(0));
    assert_ne!(old, new);
    assert!(!states.is_verified(&first, old.unwrap()));
    assert_eq!(answer(&states, &first), ErrorCode::OutOfOrderSequenceNumber);
    let zero = transactional(header_of(0, 0, 1, 1), ID.0);
    states.begin_verification(&zero, true, Timestamp(0));
    assert_eq!(answer(&states, &zero), ErrorCode::None);
    states.apply(&zero);
    assert!(states.is_verified(&zero, VerificationGuard::NONE));
    assert_eq!(states.begin_verification(&zero, true, Timestamp(0)), None);
    let mut newer = zero;
    newer.producer_epoch = ProducerEpoch(zero.producer_epoch.0 + 1);
    assert!(!states.is_verified(&newer, VerificationGuard::NONE));
    assert!(!states.is_stale(&newer));
}

#[test]
fn markers_round_trip_through_their_batch() {
    for is_commit in [true, false] {
        let marker = marker(9, 4, is_commit, 12);
        let batch = marker.build(LeaderEpoch(2), Offset(44));
        let header = BatchHeader::parse(&batch).unwrap();
        assert!(header.attributes.is_control() && header.attributes.is_transactional());
        assert_eq!(Marker::parse(&header, &batch).unwrap(), Some(marker));
        let mut states = ProducerStates::new(Offset(0));
        states.apply(&transactional(header_of(4, 0, 1, 40), 9));
        let ended = states.apply_batch(&header, &batch).unwrap().unwrap();
        assert_eq!(ended.is_aborted, !is_commit);
        assert_eq!(states.end(), Offset(45));
    }
}

#[test]
fn an_append_that_failed_is_undone() {
    let mut states = after(&[(0, 0, 2)]);
    let before = states.get(ID).cloned();
    states.apply(&transactional(header_of(0, 2, 1, 2), ID.0));
    states.apply_marker(&marker(ID.0, 1, true, 0), Offset(3));
    states.restore(ID, before.clone());
    states.set_end(Offset(2));
    assert_eq!(states.get(ID).cloned(), before);
    assert_eq!(states.first_undecided(), None);
    states.restore(ID, None);
    assert!(states.is_empty());
}

fn snapshot_range(log_start: i64, log_end: i64) -> snapshot::Range {
    snapshot::Range {
        log_start: Offset(log_start),
        log_end: Offset(log_end),
        now: Timestamp(1000),
        expiration_ms: 86_400_000,
    }
}

fn snapshot_storage(ends: &[i64]) -> MemoryStorage {
    let storage = MemoryStorage::new();
    storage.create_directory(Path::new("/t-0")).unwrap();
    for &end in ends {
        let mut states = after(&[(0, 0, 1)]);
        states.set_end(Offset(end));
        snapshot::write(&storage, Path::new("/t-0"), &states).unwrap();
    }
    storage
}

#[test]
fn the_newest_usable_snapshot_is_loaded() {
    let folder = Path::new("/t-0");
    let storage = snapshot_storage(&[10, 20, 30]);
    let load = |range| snapshot::load(&storage, folder, &range).unwrap();
    assert_eq!(load(snapshot_range(0, 40)).end(), Offset(30));
    assert_eq!(load(snapshot_range(0, 29)).end(), Offset(20));
    let none = load(snapshot_range(30, 40));
    assert_eq!((none.end(), none.len()), (Offset(30), 0));

    let damaged = storage.open(&snapshot::path(folder, Offset(30))).unwrap();
    damaged.set_len(30).unwrap();
    assert_eq!(load(snapshot_range(0, 40)).end(), Offset(20));
    assert_eq!(
        snapshot::list(&storage, folder).unwrap(),
        [Offset(10), Offset(20)]
    );
}

#[test]
fn snapshots_without_a_segment_are_removed_but_for_the_last() {
    let folder = Path::new("/t-0");
    let storage = snapshot_storage(&[5, 10, 15, 40]);
    let bases = [Offset(0), Offset(10), Offset(20)];
    assert_eq!(snapshot::remove_stray(&storage, folder, &bases).unwrap(), 2);
    assert_eq!(
        snapshot::list(&storage, folder).unwrap(),
        [Offset(10), Offset(40)]
    );
    snapshot::remove_above(&storage, folder, Offset(20)).unwrap();
    snapshot::remove_before(&storage, folder, Offset(10)).unwrap();
    assert_eq!(snapshot::list(&storage, folder).unwrap(), [Offset(10)]);
}

#[test]
fn damaged_snapshots_are_told() {
    let bytes = snapshot::encode(&after(&[(0, 0, 3)]));
    assert_eq!(bytes.len(), 56);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        assert!(snapshot::decode(&damaged).is_err(), "byte {at}");
        assert!(snapshot::decode(&bytes[..at]).is_err(), "cut to {at}");
    }
}

#[test]
fn batches_before_the_last_are_known_after_a_snapshot() {
    let states = after(&[(0, 0, 3), (0, 3, 1), (0, 4, 2)]);
    let bytes = snapshot::encode(&states);
    assert_eq!(
        bytes.len(),
        56 + 8 + 2 * 32,
        "Kafka's entry, and the two others"
    );
    let mut read = ProducerStates::new(states.end());
    for producer in snapshot::decode(&bytes).unwrap() {
        read.restore(producer.id(), Some(producer));
    }
    for (sequence, count, offset) in [(0, 3, 0), (3, 1, 3), (4, 2, 4)] {
        let header = header_of(0, sequence, count, 99);
        let Check::Duplicate { base_offset, .. } = read.check(&header, Origin::Client) else {
            panic!("batch {sequence} is not known");
        };
        assert_eq!(base_offset, Offset(offset));
    }
    // What is behind the entries is ours, or the file is damaged.
    let mut other = bytes[..60].to_vec();
    other[56..].copy_from_slice(b"MLNX");
    let crc = crate::checkpoint::crc32c(&other[6..]);
    other[2..6].copy_from_slice(&crc.to_be_bytes());
    assert!(snapshot::decode(&other).is_err());
}

proptest! {
    #[test]
    fn snapshots_keep_all_of_a_producer(
        appends in prop::collection::vec((0_i64..5, 0_i16..4, 0_i32..3, any::<bool>()), 0..60),
    ) {
        let mut states = ProducerStates::new(Offset(0));
        for (id, epoch, kind, flag) in appends {
            let end = states.end();
            if kind == 0 {
                states.apply_marker(&marker(id, epoch, flag, 1), end);
            } else {
                let mut header = header_of(epoch, 4, kind, end.0);
                header.producer_id = ProducerId(id);
                if flag {
                    header = transactional(header, id);
                }
                states.apply(&header);
            }
        }
        let bytes = snapshot::encode(&states);
        let mut read = ProducerStates::new(states.end());
        for producer in snapshot::decode(&bytes).unwrap() {
            read.restore(producer.id(), Some(producer));
        }
        prop_assert_eq!(snapshot::encode(&read), bytes);
        prop_assert_eq!(read.first_undecided(), states.first_undecided());
        for producer in states.iter() {
            let other = read.get(producer.id()).unwrap();
            prop_assert_eq!(other.epoch(), producer.epoch());
            prop_assert_eq!(other.last_sequence(), producer.last_sequence());
            prop_assert_eq!(other.last_offset(), producer.last_offset());
            prop_assert_eq!(other.txn_first_offset(), producer.txn_first_offset());
            // The timestamp of the last batch is that of the producer, as Kafka has it.
            let places = |producer: &Producer| -> Vec<_> {
                let batches = producer.batches().iter();
                batches.map(|batch| (batch.first_sequence(), batch.first_offset())).collect()
            };
            prop_assert_eq!(places(other), places(producer));
        }
    }

    #[test]
    fn no_snapshot_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = snapshot::decode(&bytes);
    }
}

#[test]
fn late_batch_of_an_earlier_epoch_says_nothing_about_the_sequences_of_the_current_one() {
    let mut states = ProducerStates::new(Offset(0));
    let first = transactional(header_of(5, 0, 1, 0), ID.0);
    states.begin_verification(&first, true, Timestamp(0));
    states.apply(&first);
    let late = transactional(header_of(3, 0, 1, 0), ID.0);
    let guard = states.begin_verification(&late, true, Timestamp(0));
    assert_eq!(guard, Some(VerificationGuard::NONE));
    let answer = |header: &BatchHeader| match states.check(header, Origin::Client) {
        Check::Refuse(code, _) => code,
        _ => ErrorCode::None,
    };
    let next = transactional(header_of(5, 1, 1, 1), ID.0);
    assert_eq!(answer(&next), ErrorCode::None);
    assert_eq!(answer(&late), ErrorCode::InvalidProducerEpoch);
}

#[test]
fn late_repetition_says_nothing_about_the_next_batch() {
    let mut states = ProducerStates::new(Offset(0));
    for sequence in 0..3 {
        states.apply(&header_of(5, sequence, 1, i64::from(sequence)));
    }
    let late = transactional(header_of(5, 1, 1, 1), ID.0);
    states.begin_verification(&late, false, Timestamp(0));
    let next = transactional(header_of(5, 3, 1, 3), ID.0);
    assert_eq!(states.check(&next, Origin::Client), Check::Fresh);
    let skipping = transactional(header_of(5, 4, 1, 3), ID.0);
    assert!(matches!(
        states.check(&skipping, Origin::Client),
        Check::Refuse(ErrorCode::OutOfOrderSequenceNumber, _)
    ));
}

/// An application goes back to a client that does not count epochs up while a question of version 2
/// is left over: the marker of its transaction ends the new question all the same.
#[test]
fn question_of_an_old_client_ends_with_the_marker_of_its_epoch() {
    let ask = |states: &mut ProducerStates, epoch, bumps| {
        let header = transactional(header_of(epoch, 0, 1, 0), ID.0);
        (
            states.begin_verification(&header, bumps, Timestamp(0)),
            header,
        )
    };
    let mut states = ProducerStates::new(Offset(0));
    ask(&mut states, 4, true);
    let (guard, header) = ask(&mut states, 5, false);
    let guard = guard.unwrap();
    assert!(states.is_verified(&header, guard));
    states.apply_marker(&marker(ID.0, 5, false, 0), Offset(0));
    assert!(!states.is_verified(&header, guard));

    // One epoch with both: the marker of it may be of either.
    let (first, header) = ask(&mut states, 6, true);
    ask(&mut states, 6, false);
    states.apply_marker(&marker(ID.0, 6, false, 0), Offset(1));
    assert!(!states.is_verified(&header, first.unwrap()));
}

#[test]
fn guards_are_numbered_on_where_states_are_replaced() {
    let header = transactional(header_of(5, 0, 1, 0), ID.0);
    let ask = |states: &mut ProducerStates| {
        states
            .begin_verification(&header, false, Timestamp(0))
            .unwrap()
    };
    let mut before = ProducerStates::new(Offset(0));
    let old = ask(&mut before);
    let mut after = ProducerStates::new(Offset(0));
    after.continue_guards(&before);
    assert_ne!(ask(&mut after), old);
}
