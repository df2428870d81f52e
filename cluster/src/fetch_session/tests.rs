use std::sync::Arc;

use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp(1_000_000);
const EVICTION_MS: i64 = 120_000;

fn cache(slots: usize) -> Cache {
    Cache::new(Settings::new(slots), (0, 1), 7)
}

fn name(name: &str) -> Topic {
    Topic::Name(Arc::from(name))
}

fn wanted(partition: i32, offset: i64) -> Wanted {
    Wanted {
        topic: name("t"),
        partition: PartitionIndex(partition),
        offset: Offset(offset),
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
        log_start: Offset::NONE,
        bytes_max: 100,
    }
}

fn request(session_id: i32, epoch: i32, partitions: &[i32]) -> Request {
    Request {
        session_id,
        epoch,
        is_follower: false,
        uses_topic_ids: false,
        partitions: partitions.iter().map(|index| wanted(*index, 0)).collect(),
        forgotten: Vec::new(),
    }
}

fn nothing() -> Answer {
    Answer {
        records_bytes: 0,
        high_watermark: Offset(5),
        log_start: Offset(0),
        has_error: false,
        is_diverging: false,
        has_preferred_replica: false,
    }
}

fn indices(opened: &Opened) -> Vec<i32> {
    let targets = opened.targets().iter();
    targets.map(|wanted| wanted.partition.0).collect()
}

/// Opens and closes; the session and the partitions that are answered.
fn fetch(cache: &mut Cache, request: Request, now: Timestamp) -> (i32, Vec<i32>) {
    let opened = cache.open(request, now).expect("opened");
    let answers = vec![nothing(); opened.targets().len()];
    let closed = cache.close(&opened, &answers, now).expect("closed");
    cache.check_invariants();
    let pairs = indices(&opened).into_iter().zip(closed.is_included);
    let included = pairs.filter(|(_, included)| *included);
    (
        closed.session_id,
        included.map(|(index, _)| index).collect(),
    )
}

fn follower(partitions: &[i32]) -> Request {
    Request {
        is_follower: true,
        ..request(0, 0, partitions)
    }
}

#[test]
fn full_fetch_opens_a_session_and_answers_everything() {
    let mut cache = cache(10);
    let (id, included) = fetch(&mut cache, request(0, 0, &[3, 1, 2]), NOW);
    assert!(id > 0);
    assert_eq!(included, [3, 1, 2]);
    // Nothing is new.
    let (again, included) = fetch(&mut cache, request(id, 1, &[]), NOW);
    assert_eq!((again, included), (id, vec![]));
    let opened = cache.open(request(id, 2, &[]), NOW).expect("opened");
    assert!(opened.is_incremental());
    assert_eq!(indices(&opened), [3, 1, 2]);
}

#[test]
fn fetch_without_a_session_answers_everything() {
    let mut cache = cache(10);
    let (id, included) = fetch(&mut cache, request(0, -1, &[1]), NOW);
    assert_eq!((id, included), (0, vec![1]));
    assert_eq!(cache.session_count(), 0);
}

#[test]
fn last_epoch_closes_the_session() {
    let mut cache = cache(10);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1]), NOW);
    let (none, _) = fetch(&mut cache, request(id, -1, &[]), NOW);
    assert_eq!((none, cache.session_count()), (0, 0));
}

#[test]
fn full_fetch_replaces_the_session_that_it_names() {
    let mut cache = cache(10);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1]), NOW);
    let (new, _) = fetch(&mut cache, request(id, 0, &[1]), NOW);
    assert_ne!(id, new);
    assert_eq!(cache.session_count(), 1);
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let mut cache = cache(10);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1]), NOW);
    let mut check = |request, error| {
        assert_eq!(cache.open(request, NOW).expect_err("refused"), error);
    };
    check(request(id + 1, 1, &[]), ErrorCode::FetchSessionIdNotFound);
    check(request(0, 1, &[]), ErrorCode::FetchSessionIdNotFound);
    check(request(id, 2, &[]), ErrorCode::InvalidFetchSessionEpoch);
    let by_id = Request {
        uses_topic_ids: true,
        ..request(id, 1, &[])
    };
    check(by_id, ErrorCode::FetchSessionTopicIdError);
    let (again, _) = fetch(&mut cache, request(id, 1, &[]), NOW);
    assert_eq!(again, id, "refused requests change nothing");
}

#[test]
fn topics_are_kept_by_id_where_the_request_has_ids() {
    let mut cache = cache(10);
    let topic = Topic::Id(TopicId(uuid::Uuid::from_u128(5)));
    let mut full = request(0, 0, &[1]);
    full.uses_topic_ids = true;
    full.partitions[0].topic = topic.clone();
    let (id, _) = fetch(&mut cache, full, NOW);
    let mut more = request(id, 1, &[2]);
    more.uses_topic_ids = true;
    more.partitions[0].topic = topic.clone();
    more.forgotten.push((topic, PartitionIndex(1)));
    let opened = cache.open(more, NOW).expect("opened");
    assert_eq!(indices(&opened), [2]);
}

#[test]
fn partitions_are_added_changed_and_forgotten() {
    let mut cache = cache(10);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1, 2]), NOW);
    let mut change = request(id, 1, &[3]);
    change.partitions.push(wanted(1, 77));
    change.forgotten.push((name("t"), PartitionIndex(2)));
    change.forgotten.push((name("other"), PartitionIndex(1)));
    let opened = cache.open(change, NOW).expect("opened");
    assert_eq!(opened.targets(), [wanted(1, 77), wanted(3, 0)]);
    let closed = cache.close(&opened, &[nothing(); 2], NOW).expect("closed");
    assert_eq!(closed.is_included, [false, true], "3 is new");
    // Without a partition there is no session.
    let mut end = request(id, 2, &[]);
    end.forgotten.push((name("t"), PartitionIndex(1)));
    end.forgotten.push((name("t"), PartitionIndex(3)));
    let (none, included) = fetch(&mut cache, end, NOW);
    assert_eq!((none, included, cache.session_count()), (0, vec![], 0));
}

#[test]
fn only_what_is_new_is_answered() {
    let check = |change: &dyn Fn(&mut Answer), first: bool, second: bool| {
        let mut cache = cache(10);
        let (id, _) = fetch(&mut cache, request(0, 0, &[1]), NOW);
        let mut answer = nothing();
        change(&mut answer);
        for (epoch, included) in [(1, first), (2, second)] {
            let opened = cache.open(request(id, epoch, &[]), NOW).expect("opened");
            let closed = cache.close(&opened, &[answer], NOW).expect("closed");
            assert_eq!(closed.is_included, [included], "{answer:?}, epoch {epoch}");
        }
    };
    check(&|_| (), false, false);
    check(&|answer| answer.records_bytes = 1, true, true);
    check(&|answer| answer.high_watermark = Offset(6), true, false);
    check(&|answer| answer.log_start = Offset(1), true, false);
    check(&|answer| answer.has_error = true, true, true);
    check(&|answer| answer.is_diverging = true, true, true);
    check(&|answer| answer.has_preferred_replica = true, true, true);
}

#[test]
fn partition_is_answered_when_its_error_goes_away() {
    let mut cache = cache(10);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1]), NOW);
    let failed = Answer {
        has_error: true,
        ..nothing()
    };
    for (epoch, answer) in [(1, failed), (2, nothing())] {
        let opened = cache.open(request(id, epoch, &[]), NOW).expect("opened");
        let closed = cache.close(&opened, &[answer], NOW).expect("closed");
        assert_eq!(closed.is_included, [true]);
    }
}

#[test]
fn partition_with_records_goes_to_the_end() {
    let mut cache = cache(10);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1, 2, 3]), NOW);
    let with_records = Answer {
        records_bytes: 10,
        ..nothing()
    };
    let opened = cache.open(request(id, 1, &[]), NOW).expect("opened");
    cache
        .close(&opened, &[with_records, nothing(), nothing()], NOW)
        .expect("closed");
    let opened = cache.open(request(id, 2, &[]), NOW).expect("opened");
    assert_eq!(indices(&opened), [2, 3, 1]);
    cache
        .close(&opened, &[nothing(), with_records, nothing()], NOW)
        .expect("closed");
    let opened = cache.open(request(id, 3, &[]), NOW).expect("opened");
    assert_eq!(indices(&opened), [2, 1, 3]);
}

#[test]
fn fetch_that_was_overtaken_is_refused() {
    let mut cache = cache(10);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1]), NOW);
    let slow = cache.open(request(id, 1, &[]), NOW).expect("opened");
    let fast = cache.open(request(id, 2, &[]), NOW).expect("opened");
    let error = Err(ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(cache.close(&slow, &[nothing()], NOW), error);
    assert_eq!(
        cache.close_throttled(&slow),
        Err(ErrorCode::InvalidFetchSessionEpoch)
    );
    assert_eq!(cache.close_throttled(&fast), Ok(id));
    cache.open(request(id, -1, &[]), NOW).expect("closes it");
    assert_eq!(cache.close(&fast, &[nothing()], NOW), error);
}

#[test]
fn throttled_fetch_tells_nothing() {
    let mut cache = cache(10);
    let full = cache.open(request(0, 0, &[1]), NOW).expect("opened");
    assert_eq!(cache.close_throttled(&full), Ok(0));
    let (id, _) = fetch(&mut cache, request(0, 0, &[1]), NOW);
    let opened = cache.open(request(id, 1, &[2]), NOW).expect("opened");
    assert_eq!(cache.close_throttled(&opened), Ok(id));
    let (_, included) = fetch(&mut cache, request(id, 2, &[]), NOW);
    assert_eq!(included, [2], "2 has not been told yet");
}

#[test]
fn consumer_does_not_drive_out_a_young_session() {
    let mut cache = cache(1);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1]), NOW);
    assert_eq!(fetch(&mut cache, request(0, 0, &[1, 2]), NOW).0, 0);
    // Old and in use: a larger one may take its place, a smaller one may not.
    let old = NOW.plus_ms(EVICTION_MS + 1);
    fetch(&mut cache, request(id, 1, &[2]), old);
    assert_eq!(fetch(&mut cache, request(0, 0, &[1]), old).0, 0);
    assert_ne!(fetch(&mut cache, request(0, 0, &[1, 2, 3]), old).0, 0);
    assert_eq!(cache.evicted_count(), 1);
    assert_eq!(cache.session_count(), 1);
}

#[test]
fn follower_drives_out_a_consumer_at_once() {
    let mut cache = cache(1);
    fetch(&mut cache, request(0, 0, &[1, 2, 3]), NOW);
    let (id, _) = fetch(&mut cache, follower(&[1]), NOW);
    assert_ne!(id, 0);
    // Another follower does not, until the session is old.
    assert_eq!(fetch(&mut cache, follower(&[1, 2]), NOW).0, 0);
    let old = NOW.plus_ms(EVICTION_MS + 1);
    fetch(&mut cache, request(id, 1, &[]), old);
    assert_eq!(fetch(&mut cache, request(0, 0, &[1, 2]), old).0, 0);
    assert_ne!(fetch(&mut cache, follower(&[1, 2]), old).0, 0);
}

#[test]
fn unused_session_goes_first() {
    let mut cache = cache(2);
    let (large, _) = fetch(&mut cache, follower(&[1, 2, 3]), NOW);
    let (small, _) = fetch(&mut cache, follower(&[1]), NOW.plus_ms(5));
    let late = NOW.plus_ms(EVICTION_MS + 1);
    assert_ne!(fetch(&mut cache, request(0, 0, &[1]), late).0, 0);
    let gone = cache.open(request(large, 1, &[]), late);
    assert_eq!(
        gone.expect_err("evicted"),
        ErrorCode::FetchSessionIdNotFound
    );
    assert!(cache.open(request(small, 1, &[]), late).is_ok());
}

#[test]
fn no_slots_means_no_sessions() {
    let mut cache = cache(0);
    assert_eq!(fetch(&mut cache, request(0, 0, &[1]), NOW), (0, vec![1]));
    assert_eq!(fetch(&mut cache, request(0, 0, &[]), NOW), (0, vec![]));
}

#[test]
fn partitions_of_all_sessions_are_limited() {
    let settings = Settings {
        partitions_max: 3,
        ..Settings::new(10)
    };
    let mut cache = Cache::new(settings, (0, 1), 7);
    let (id, _) = fetch(&mut cache, request(0, 0, &[1, 2]), NOW);
    assert_eq!(fetch(&mut cache, request(0, 0, &[1, 2]), NOW).0, 0);
    let refused = cache.open(request(id, 1, &[3, 4]), NOW);
    assert_eq!(
        refused.expect_err("too many"),
        ErrorCode::FetchSessionIdNotFound
    );
    assert_eq!(cache.partition_count(), 0);
    cache.check_invariants();
}

#[test]
fn ids_belong_to_their_shard_and_repeat_with_the_seed() {
    let ids = |seed| -> Vec<i32> {
        let mut cache = Cache::new(Settings::new(10), (3, 8), seed);
        let mut open = || fetch(&mut cache, request(0, 0, &[1]), NOW).0;
        (0..10).map(|_| open()).collect()
    };
    assert!(ids(1).iter().all(|id| *id > 0 && shard_of(*id, 8) == 3));
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
}

#[test]
fn epoch_wraps_to_one() {
    let mut session = session::Session::new(false, false, NOW);
    session.epoch = i32::MAX;
    session.bump_epoch();
    assert_eq!(session.epoch, 1);
}

#[test]
fn repeated_partition_is_kept_once() {
    let mut cache = cache(10);
    let (id, included) = fetch(&mut cache, request(0, 0, &[1, 1]), NOW);
    assert_eq!(included, [1, 1]);
    let opened = cache.open(request(id, 1, &[]), NOW).expect("opened");
    assert_eq!(indices(&opened), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn limits_hold_and_nobody_starves(
        steps in proptest::collection::vec((0_usize..6, 0_i32..4, 0_i64..60_000, any::<bool>()), 1..80),
    ) {
        let mut cache = cache(3);
        let mut now = NOW;
        let mut open: Vec<(i32, i32)> = Vec::new();
        for (which, index, ms, is_follower) in steps {
            now = now.plus_ms(ms);
            match open.get(which).copied() {
                Some((id, epoch)) => {
                    let opened = cache.open(request(id, epoch, &[index]), now);
                    let Ok(opened) = opened else {
                        open.remove(which);
                        continue;
                    };
                    let answers = vec![nothing(); opened.targets().len()];
                    prop_assert!(cache.close(&opened, &answers, now).is_ok());
                    open[which].1 += 1;
                }
                None => {
                    let full = Request { is_follower, ..request(0, 0, &[index, index + 1]) };
                    let (id, _) = fetch(&mut cache, full, now);
                    if id != 0 {
                        open.push((id, 1));
                    }
                }
            }
            cache.check_invariants();
        }
    }

    #[test]
    fn every_partition_comes_first_in_turn(count in 1_i32..20) {
        let mut cache = cache(1);
        let all: Vec<i32> = (0..count).collect();
        let (id, _) = fetch(&mut cache, request(0, 0, &all), NOW);
        let mut firsts = Vec::new();
        for epoch in 1..=count {
            let opened = cache.open(request(id, epoch, &[]), NOW).expect("opened");
            firsts.push(indices(&opened)[0]);
            let mut answers = vec![nothing(); opened.targets().len()];
            // The limit of the answer leaves room for the first one only.
            answers[0].records_bytes = 1;
            cache.close(&opened, &answers, NOW).expect("closed");
        }
        firsts.sort_unstable();
        prop_assert_eq!(firsts, all);
    }
}
