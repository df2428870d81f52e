//! Markers that partitions refuse, and producers that have no epoch left.

use super::*;

/// A world whose only transaction is decided, with the markers that are wanted.
fn decided() -> (World, Markers) {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.get(add(first, 1, 2));
    world.ask(end(first, true, 2));
    world.commit();
    let markers = world.markers.remove(0);
    (world, markers)
}

/// Fails the markers with `error` again and again; the pauses until the next tries.
fn pauses(world: &mut World, markers: &Markers, error: ErrorCode, tries: usize) -> Vec<i64> {
    let mut pauses = Vec::new();
    for _ in 0..tries {
        world.marked(markers, error);
        assert_eq!(world.markers, []);
        let before = world.now;
        while world.markers.is_empty() {
            let next = world.coordinator.next_deadline().expect("another try");
            world.pass(next.ms_since(world.now));
        }
        assert_eq!(world.markers.remove(0), *markers);
        pauses.push(world.now.ms_since(before) / config().retry_ms);
    }
    pauses
}

#[test]
fn the_pauses_between_tries_grow_and_are_bounded() {
    for (error, last) in [
        (ErrorCode::NotLeaderOrFollower, 16),
        (ErrorCode::InvalidProducerEpoch, 512),
        (ErrorCode::TransactionCoordinatorFenced, 512),
    ] {
        let (mut world, markers) = decided();
        let pauses = pauses(&mut world, &markers, error, 80);
        assert_eq!(pauses[..4], [1, 2, 4, 8], "{error:?}");
        assert_eq!(pauses[79], last, "{error:?}");
        assert!(pauses.is_sorted(), "{error:?}: {pauses:?}");
        world.marked(&markers, ErrorCode::None);
        world.settle();
        assert_eq!(world.state(), State::CompleteCommit);
    }
}

#[test]
fn a_marker_that_is_written_makes_the_next_try_come_soon() {
    let (mut world, markers) = decided();
    pauses(&mut world, &markers, ErrorCode::NotLeaderOrFollower, 10);
    world.step(Event::MarkersWritten {
        transactional_id: "a".to_owned(),
        producer_id: markers.producer_id,
        producer_epoch: markers.producer_epoch,
        results: vec![
            (partition(0), ErrorCode::None),
            (partition(1), ErrorCode::InvalidProducerEpoch),
        ],
    });
    world.pass(config().retry_ms);
    assert_eq!(world.markers[0].partitions, [partition(1)].into());
}

#[test]
fn nobody_has_the_epoch_with_which_producers_are_fenced() {
    let stored = metadata(State::CompleteAbort, i16::MAX);
    let fenced = producer(stored.producer_id.0, i16::MAX);
    for version in [0, 2] {
        let mut world = World::stored(config(), stored.clone());
        let refused = Response::Add(ErrorCode::ProducerFenced);
        assert_eq!(world.get(add(fenced, 1, version)), refused);
    }
    let mut world = World::stored(config(), stored);
    let (error, _) = ended(&world.get(end(fenced, false, 2)));
    assert_eq!(error, ErrorCode::ProducerFenced);
    assert_eq!(world.state(), State::CompleteAbort);
}

/// The end of the last transaction of an id tells of the next id before it is complete; with that
/// the producer may begin anew.
#[test]
fn the_next_id_may_be_named_before_the_end_is_complete() {
    let mut world = World::stored(config(), metadata(State::Ongoing, i16::MAX - 1));
    let last = world.coordinator.transaction("a").unwrap().producer();
    let waiter = world.ask(end(last, true, 2));
    world.commit();
    let (error, next) = ended(&world.take(waiter).unwrap());
    assert_eq!(error, ErrorCode::None);
    assert_eq!(next.epoch, ProducerEpoch(0));
    let waiter = world.ask(Request::Init(InitProducerId {
        expected: Some(next),
        ..init()
    }));
    world.settle();
    let Some(Response::Init(done)) = world.take(waiter) else {
        panic!("another answer");
    };
    assert_eq!(done.error, ErrorCode::None);
    assert_eq!(done.producer, producer(next.id.0, 1));
}
