//! How many appends there are.

use super::*;

#[test]
fn what_waits_for_an_append_is_stored_together_and_answered_after_it() {
    let mut world = World::new(config());
    let first = world.init(init());
    let adding: Vec<_> = (0..4)
        .map(|index| world.ask(add(first, index, 2)))
        .collect();
    let ending = world.ask(end(first, true, 2));
    assert_eq!(world.appends.len(), 1);
    world.commit();
    assert_eq!(world.take(adding[0]), Some(Response::Add(ErrorCode::None)));
    assert_eq!(world.appends.len(), 1, "the rest is one append");
    assert_eq!(
        world.appends[0].1.len(),
        4,
        "three times Ongoing, and PrepareCommit"
    );
    for waiter in &adding[1..] {
        assert_eq!(world.take(*waiter), None, "before it is committed");
    }
    world.commit();
    for waiter in &adding[1..] {
        assert_eq!(world.take(*waiter), Some(Response::Add(ErrorCode::None)));
    }
    let answer = world.take(ending).unwrap();
    assert_eq!(ended(&answer), (ErrorCode::None, producer(101, 1)));
    assert_eq!(world.markers[0].partitions, (0..4).map(partition).collect());
}

/// What a transaction of one partition costs in a row: the beginning, the decision; the markers are
/// the partition's. The completion is stored with the next beginning.
#[test]
fn transactions_in_a_row_cost_two_appends_each() {
    let mut world = World::new(config());
    let mut producer = world.init(init());
    let (mut waiter, mut appends) = (world.ask(add(producer, 0, 2)), 0);
    for _ in 0..10 {
        world.commit();
        assert_eq!(world.take(waiter), Some(Response::Add(ErrorCode::None)));
        let ending = world.ask(end(producer, true, 2));
        world.commit();
        producer = ended(&world.take(ending).unwrap()).1;
        waiter = world.ask(add(producer, 0, 2));
        world.mark();
        appends += 2;
    }
    let next = world.coordinator.next_token;
    // The first id, and the beginning that is under way.
    assert_eq!(next, appends + 2);
}
