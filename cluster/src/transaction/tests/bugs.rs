//! Bugs that others had in transactions of version 2, by their numbers.

use super::*;

/// A transaction is ended and the next begins while markers are still being written: no partition
/// of one ends up in the other, and nobody has to ask twice.
#[test]
fn kafka_18575_the_next_transaction_begins_after_the_end_of_the_one_before() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.ask(end(first, true, 2));
    world.commit();
    let waiter = world.ask(add(producer(101, 1), 1, 2));
    assert_eq!(world.markers[0].partitions, [partition(0)].into());
    world.settle();
    assert_eq!(world.take(waiter), Some(Response::Add(ErrorCode::None)));
    let ongoing = world.coordinator.transaction("a").unwrap();
    assert_eq!(ongoing.metadata.partitions, [partition(1)].into());
    // What was on its way with the epoch before must not come into the new one.
    let fenced = Response::Add(ErrorCode::ProducerFenced);
    assert_eq!(world.get(add(first, 2, 2)), fenced);
}

/// The last epoch: the answer names the new id, for a repeated request too, and the producer goes
/// on with it.
#[test]
fn kafka_18660_the_new_id_is_answered_when_epochs_run_out() {
    for is_repeated_early in [true, false] {
        let mut world = World::stored(config(), metadata(State::Ongoing, i16::MAX - 1));
        let last = producer(10, i16::MAX - 1);
        let waiter = world.ask(end(last, true, 2));
        world.commit();
        let answer = world.take(waiter).unwrap();
        let new = producer(101, 0);
        assert_eq!(ended(&answer), (ErrorCode::None, new));
        assert_eq!(world.markers[0].producer_epoch, ProducerEpoch(i16::MAX));
        assert_eq!(world.markers[0].producer_id, ProducerId(10));
        if !is_repeated_early {
            world.settle();
        }
        let again = world.ask(end(last, true, 2));
        let answer = world.take(again).unwrap();
        assert_eq!(ended(&answer), (ErrorCode::None, new));
        assert_eq!(world.get(add(new, 4, 2)), Response::Add(ErrorCode::None));
        let (error, next) = ended(&world.get(end(new, true, 2)));
        assert_eq!((error, next), (ErrorCode::None, producer(101, 1)));
    }
}

/// A commit without records, and an abort without them.
#[test]
fn kafka_18401_nothing_to_end() {
    let mut world = World::new(config());
    let first = world.init(init());
    let (error, _) = ended(&world.get(end(first, true, 2)));
    assert_eq!(error, ErrorCode::InvalidTxnState);
    let (error, next) = ended(&world.get(end(first, false, 2)));
    assert_eq!((error, next), (ErrorCode::None, producer(101, 1)));
    assert_eq!(world.state(), State::CompleteAbort);
    let (error, third) = ended(&world.get(end(next, false, 2)));
    assert_eq!((error, third), (ErrorCode::None, producer(101, 2)));
    // Asked again by whoever did not get the answer.
    let (error, again) = ended(&world.get(end(next, false, 2)));
    assert_eq!((error, again), (ErrorCode::None, third));
    let (error, _) = ended(&world.get(end(third, true, 2)));
    assert_eq!(error, ErrorCode::InvalidTxnState);
    // Old clients cannot.
    let mut world = World::new(config());
    let first = world.init(init());
    let (error, _) = ended(&world.get(end(first, false, 0)));
    assert_eq!(error, ErrorCode::InvalidTxnState);
}

/// A client that has just learned of version 2 adds a partition while its last transaction of
/// version 1 is being ended: it goes into the next one.
#[test]
fn kafka_18227_an_upgrade_does_not_reach_into_the_last_transaction() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 0));
    let waiter = world.ask(end(first, true, 0));
    world.commit();
    assert_eq!(ended(&world.take(waiter).unwrap()).0, ErrorCode::None);
    let waiter = world.ask(add(first, 1, 2));
    assert_eq!(world.markers[0].partitions, [partition(0)].into());
    assert_eq!(world.markers[0].transaction_version, 0);
    world.settle();
    assert_eq!(world.take(waiter), Some(Response::Add(ErrorCode::None)));
    let (error, next) = ended(&world.get(end(first, true, 2)));
    assert_eq!((error, next), (ErrorCode::None, producer(101, 1)));
}

/// The coordinator aborts: the epoch is counted up once, and never beyond what a short holds.
#[test]
fn kafka_19367_an_abort_counts_the_epoch_up_once() {
    for version in [0, 1, 2] {
        for epoch in [0, 7, i16::MAX - 2, i16::MAX - 1] {
            let config = Config {
                transaction_version: version,
                ..config()
            };
            let mut stored = metadata(State::Ongoing, epoch);
            stored.client_transaction_version = version;
            for is_timeout in [false, true] {
                let mut world = World::stored(config.clone(), stored.clone());
                if is_timeout {
                    world.pass(60_000);
                    // Where a new id is needed it comes first.
                    world.pass(config.retry_ms);
                } else {
                    world.ask(Request::Init(init()));
                }
                world.commit();
                let aborting = &world.coordinator.transaction("a").unwrap().metadata;
                assert_eq!(aborting.state, State::PrepareAbort);
                assert_eq!(aborting.producer_epoch, ProducerEpoch(epoch + 1));
                world.settle();
                let after = world.coordinator.transaction("a").unwrap().metadata.clone();
                assert!(after.producer_epoch >= ProducerEpoch(0), "{after:?}");
            }
        }
    }
}

/// Markers that are written twice, since an answer was lost or the coordinator was loaded anew:
/// they carry the same epoch, and the transaction is completed once.
#[test]
fn kafka_19999_markers_are_repeated_after_a_reload() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.ask(end(first, true, 2));
    world.commit();
    let before = world.markers[0].clone();
    world.reload();
    assert_eq!(world.markers, [before]);
    world.settle();
    assert_eq!(world.state(), State::CompleteCommit);
}

/// A commit that meets the coordinator's own abort: the producer is fenced. Any other answer kills
/// applications that handle fencing only.
#[test]
fn kafka_20785_a_commit_after_the_coordinators_abort_is_fenced() {
    for settles in [false, true] {
        let mut world = World::new(config());
        let first = world.init(init());
        world.get(add(first, 0, 2));
        world.pass(60_000);
        world.commit();
        if settles {
            world.settle();
        }
        let waiter = world.ask(end(first, true, 2));
        let (error, _) = ended(&world.take(waiter).unwrap());
        assert_eq!(error, ErrorCode::ProducerFenced);
    }
}

/// Late answers about markers of a transaction that is over do not complete another one.
#[test]
fn kafka_10080_late_markers_complete_nothing() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.ask(end(first, true, 2));
    world.commit();
    let markers = world.markers[0].clone();
    world.mark();
    world.marked(&markers, ErrorCode::None);
    assert_eq!(world.appends.len(), 1, "one completion");
    world.commit();
    world.marked(&markers, ErrorCode::None);
    assert_eq!(world.appends.len(), 0);
    let second = producer(101, 1);
    world.get(add(second, 1, 2));
    world.ask(end(second, false, 2));
    world.commit();
    world.marked(&markers, ErrorCode::None);
    assert_eq!(world.state(), State::PrepareAbort);
    assert_eq!(world.appends.len(), 0);
}

/// An epoch that was counted up in memory only must not be lost or used twice where its record is
/// refused.
#[test]
fn kafka_9666_a_refused_append_uses_no_epoch() {
    let mut world = World::new(config());
    world.init(init());
    let waiter = world.ask(Request::Init(init()));
    world.refuse(ErrorCode::NotEnoughReplicas);
    let Some(Response::Init(refused)) = world.take(waiter) else {
        panic!("another answer");
    };
    assert_eq!(refused.error, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(world.init(init()), producer(101, 1));
    // The same for an abort.
    let mut world = World::stored(config(), metadata(State::Ongoing, 3));
    world.ask(Request::Init(init()));
    world.refuse(ErrorCode::NotEnoughReplicas);
    world.pass(config().retry_ms);
    world.ask(Request::Init(init()));
    world.commit();
    let aborting = world.coordinator.transaction("a").unwrap();
    assert_eq!(aborting.metadata.producer_epoch, ProducerEpoch(4));
}

/// A delayed end of an earlier transaction does not reach a later one: the flaw of the protocol
/// before version 2.
#[test]
fn kafka_17754_a_delayed_end_is_fenced() {
    for is_commit in [true, false] {
        let mut world = World::new(config());
        let first = world.init(init());
        world.get(add(first, 0, 2));
        world.get(end(first, true, 2));
        let second = producer(101, 1);
        world.get(add(second, 0, 2));
        let (error, _) = ended(&world.get(end(first, is_commit, 2)));
        assert_eq!(error, ErrorCode::ProducerFenced);
        assert_eq!(world.state(), State::Ongoing);
    }
}

/// A producer that lost the answer to its request for a new epoch gets the same one again; one that
/// was fenced meanwhile does not.
#[test]
fn kip_360_a_lost_answer_and_a_fenced_producer() {
    let mut world = World::new(config());
    let first = world.init(init());
    let bump = |expected| InitProducerId {
        expected: Some(expected),
        ..init()
    };
    let second = world.init(bump(first));
    assert_eq!(second, producer(101, 1));
    assert_eq!(world.init(bump(first)), second);
    assert_eq!(world.init(init()), producer(101, 2));
    for old in [first, second, producer(99, 0)] {
        let Response::Init(refused) = world.get(Request::Init(bump(old))) else {
            panic!("another answer");
        };
        assert_eq!(refused.error, ErrorCode::ProducerFenced);
    }
    // Nor may it abort what the newer one does.
    world.get(add(producer(101, 2), 0, 2));
    let Response::Init(refused) = world.get(Request::Init(bump(first))) else {
        panic!("another answer");
    };
    assert_eq!(refused.error, ErrorCode::ProducerFenced);
    assert_eq!(world.state(), State::Ongoing);
}

/// A fenced producer of version 2 asks for an end, and the newer one has just ended a transaction of
/// an older version with the epoch that follows: it is not told that its own has ended.
#[test]
fn an_end_of_an_older_version_is_no_answer_to_a_fenced_producer() {
    let mut world = World::new(config());
    let first = world.init(init());
    let second = world.init(init());
    assert_eq!(second, producer(101, 1));
    world.get(add(second, 0, 0));
    world.get(end(second, true, 0));
    let (error, _) = ended(&world.get(end(first, true, 2)));
    assert_eq!(error, ErrorCode::ProducerFenced);
}

/// Before version 2 transactions share an epoch, so that the repetition of an end, when it comes
/// late, ends the next transaction, as in Kafka (KIP-890). A new epoch keeps it out.
#[test]
fn late_end_hits_the_next_transaction_of_its_epoch_only() {
    for (version, begins_anew) in [(0, false), (0, true), (2, false)] {
        let mut world = World::new(config());
        let first = world.init(init());
        world.get(add(first, 0, version));
        let (_, mut next) = ended(&world.get(end(first, true, version)));
        world.settle();
        if begins_anew {
            next = world.init(init());
        }
        world.get(add(next, 1, version));
        assert_eq!(world.state(), State::Ongoing);

        let (error, _) = ended(&world.get(end(first, true, version)));
        let expected = match first == next {
            true => (ErrorCode::None, State::CompleteCommit),
            false => (ErrorCode::ProducerFenced, State::Ongoing),
        };
        world.settle();
        assert_eq!((error, world.state()), expected, "{version} {begins_anew}");
        assert_eq!(first == next, version < 2 && !begins_anew);
    }
}
