use milena_protocol::config::Durability;
use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, Timestamp};

use super::*;

mod simulation;

const LAG_MAX_MS: i64 = 30_000;

fn settings(durability: Durability, min_insync_replicas: i32) -> Settings {
    Settings {
        durability,
        min_insync_replicas,
        replica_lag_time_max_ms: LAG_MAX_MS,
    }
}

fn positions(high_watermark: i64, log_end: i64) -> Positions {
    Positions {
        log_start: Offset(0),
        high_watermark: Offset(high_watermark),
        flushed: Offset(log_end),
        log_end: Offset(log_end),
    }
}

fn replica(id: i32) -> Replica {
    Replica {
        id: BrokerId(id),
        broker_epoch: BrokerEpoch(100 + i64::from(id)),
        is_eligible: true,
    }
}

fn assignment(leader: i32, epoch: i32, partition_epoch: i32, isr: &[i32]) -> Assignment {
    Assignment {
        leader: BrokerId(leader),
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch,
        replicas: [1, 2, 3].map(replica).to_vec(),
        isr: isr.iter().copied().map(BrokerId).collect(),
    }
}

fn alone(durability: Durability) -> Partition {
    let mut partition = Partition::new(BrokerId(1), settings(durability, 2), positions(0, 0));
    let assignment = Assignment {
        replicas: vec![replica(1)],
        ..assignment(1, 0, 0, &[1])
    };
    let transition = partition.become_leader(&assignment, Timestamp(0));
    assert_eq!(
        transition,
        Ok(Transition {
            is_new_epoch: true,
            epoch_start: Some((LeaderEpoch(0), Offset(0))),
            high_watermark: None,
        })
    );
    partition
}

fn leader(isr: &[i32], min_insync_replicas: i32) -> Partition {
    let settings = settings(Durability::Replicated, min_insync_replicas);
    let mut partition = Partition::new(BrokerId(1), settings, positions(0, 0));
    partition
        .become_leader(&assignment(1, 5, 10, isr), Timestamp(0))
        .expect("newer");
    partition
}

fn fetch(id: i32, offset: i64) -> FollowerFetch {
    FollowerFetch {
        replica: BrokerId(id),
        broker_epoch: replica(id).broker_epoch,
        current_leader_epoch: LeaderEpoch(5),
        offset: Offset(offset),
        last_fetched_epoch: LeaderEpoch::NONE,
        epoch_end: None,
        log_start: Offset(0),
        flushed: Offset(offset),
    }
}

fn committed(partition_epoch: i32, isr: &[i32]) -> Committed {
    Committed {
        leader_epoch: LeaderEpoch(5),
        partition_epoch,
        isr: isr.iter().copied().map(BrokerId).collect(),
    }
}

fn ids(asked: &AlterPartition) -> Vec<i32> {
    asked.isr.iter().map(|(id, _)| id.0).collect()
}

#[test]
fn sole_replica_commits_what_is_flushed() {
    let mut partition = alone(Durability::Persisted);
    assert!(partition.has_isr_quorum(), "one replica of one is enough");
    assert_eq!(partition.on_local_append(Offset(10)), None);
    assert_eq!(partition.on_local_flushed(Offset(7)), Some(Offset(7)));
    assert_eq!(partition.on_local_flushed(Offset(5)), None, "an older sync");
    assert_eq!(partition.on_local_append(Offset(12)), None);
    assert_eq!(partition.on_local_flushed(Offset(12)), Some(Offset(12)));
    assert_eq!(partition.high_watermark(), Offset(12));
}

#[test]
fn sole_replica_commits_what_is_appended_where_replicated_is_enough() {
    let mut partition = alone(Durability::Replicated);
    assert_eq!(partition.on_local_append(Offset(10)), Some(Offset(10)));
    assert_eq!(partition.on_local_flushed(Offset(10)), None);
    // Durability that becomes stricter never takes anything back.
    assert_eq!(
        partition.set_settings(settings(Durability::Persisted, 1)),
        None
    );
    assert_eq!(partition.on_local_append(Offset(11)), None);
    assert_eq!(partition.high_watermark(), Offset(10));
    assert_eq!(
        partition.set_settings(settings(Durability::Replicated, 1)),
        Some(Offset(11))
    );
}

#[test]
fn nobody_leads_before_the_metadata_says_so() {
    let mut partition = Partition::new(
        BrokerId(1),
        settings(Durability::Replicated, 1),
        positions(3, 5),
    );
    assert!(!partition.is_leader());
    assert!(!partition.has_isr_quorum());
    assert_eq!(partition.on_local_append(Offset(6)), None);
    assert_eq!(
        partition.on_follower_fetch(&fetch(2, 0), Timestamp(0)),
        Err(ErrorCode::NotLeaderOrFollower)
    );
    assert_eq!(partition.fetch_position(LeaderEpoch(0)), None);
    assert_eq!(partition.check_lag(Timestamp(9)), Lag::default());
}

#[test]
fn leader_epochs_of_requests_are_compared() {
    let partition = leader(&[1], 1);
    let check = |epoch, expected: Result<(), ErrorCode>| {
        assert_eq!(partition.check_leader_epoch(LeaderEpoch(epoch)), expected);
    };
    check(-1, Ok(()));
    check(5, Ok(()));
    check(4, Err(ErrorCode::FencedLeaderEpoch));
    check(6, Err(ErrorCode::UnknownLeaderEpoch));
}

#[test]
fn older_metadata_changes_nothing() {
    let mut partition = leader(&[1, 2], 1);
    let stale = Stale {
        received: 9,
        known: 10,
    };
    assert_eq!(
        partition.become_follower(&assignment(2, 5, 9, &[2])),
        Err(stale)
    );
    assert!(!stale.is_retriable());
    assert!(partition.is_leader());
    assert_eq!(partition.isr(), [BrokerId(1), BrokerId(2)]);
}

#[test]
fn high_watermark_is_what_the_isr_has() {
    let mut partition = leader(&[1, 2, 3], 1);
    let now = Timestamp(1);
    assert_eq!(partition.on_local_append(Offset(10)), None);
    assert_eq!(
        partition
            .on_follower_fetch(&fetch(2, 10), now)
            .map(|f| f.high_watermark),
        Ok(None)
    );
    assert_eq!(
        partition
            .on_follower_fetch(&fetch(3, 4), now)
            .map(|f| f.high_watermark),
        Ok(Some(Offset(4)))
    );
    assert_eq!(partition.check_acks(Offset(4)), Ok(true));
    assert_eq!(partition.check_acks(Offset(5)), Ok(false));
}

#[test]
fn persisted_counts_what_followers_have_flushed() {
    let mut partition = leader(&[1, 2], 1);
    assert_eq!(
        partition.set_settings(settings(Durability::Persisted, 1)),
        None
    );
    partition.on_local_append(Offset(10));
    partition.on_local_flushed(Offset(10));
    let half = FollowerFetch {
        flushed: Offset(6),
        ..fetch(2, 10)
    };
    let fetched = partition
        .on_follower_fetch(&half, Timestamp(1))
        .expect("fetched");
    assert_eq!(fetched.high_watermark, Some(Offset(6)));
    let lies = FollowerFetch {
        flushed: Offset(99),
        ..fetch(2, 10)
    };
    let fetched = partition
        .on_follower_fetch(&lies, Timestamp(1))
        .expect("fetched");
    assert_eq!(fetched.high_watermark, Some(Offset(10)));
}

#[test]
fn nothing_is_committed_while_too_few_are_in_sync() {
    let mut partition = leader(&[1], 2);
    assert!(!partition.has_isr_quorum());
    assert_eq!(partition.on_local_append(Offset(10)), None);
    assert_eq!(partition.high_watermark(), Offset(0));
    let asked = partition
        .on_follower_fetch(&fetch(2, 10), Timestamp(1))
        .expect("fetched")
        .alter
        .expect("asks to expand");
    assert_eq!(ids(&asked), [1, 2]);
    // A pending expansion does not count toward the minimum: it may fail.
    assert_eq!(partition.high_watermark(), Offset(0));
    assert_eq!(
        partition.on_alter_result(&asked, Ok(committed(11, &[1, 2]))),
        AlterOutcome::Applied {
            high_watermark: Some(Offset(10))
        }
    );
    assert_eq!(partition.check_acks(Offset(10)), Ok(true));
    // The ISR shrinks after the append.
    partition
        .become_leader(&assignment(1, 5, 12, &[1]), Timestamp(2))
        .expect("newer");
    assert_eq!(
        partition.check_acks(Offset(10)),
        Err(ErrorCode::NotEnoughReplicasAfterAppend)
    );
}

#[test]
fn pending_expansion_is_waited_for_and_rolled_back() {
    let mut partition = leader(&[1], 1);
    partition.on_local_append(Offset(10));
    assert_eq!(partition.high_watermark(), Offset(10));
    let fetched = partition
        .on_follower_fetch(&fetch(2, 10), Timestamp(1))
        .expect("fetched");
    let asked = fetched.alter.expect("asks to expand");
    assert_eq!(asked.partition_epoch, 10);
    assert_eq!(
        asked.isr,
        [
            (BrokerId(1), BrokerEpoch(101)),
            (BrokerId(2), BrokerEpoch(102))
        ]
    );
    // One change at a time.
    let fetched = partition
        .on_follower_fetch(&fetch(3, 10), Timestamp(1))
        .expect("fetched");
    assert_eq!(fetched.alter, None);
    assert_eq!(partition.on_local_append(Offset(12)), None, "waits for 2");
    assert_eq!(
        partition.on_alter_result(&asked, Err(ErrorCode::RequestTimedOut)),
        AlterOutcome::Retry(asked.clone())
    );
    // 2 and 3 are not in the ISR any more or yet, but have been caught up lately: still waited for.
    assert_eq!(
        partition.on_alter_result(&asked, Err(ErrorCode::IneligibleReplica)),
        AlterOutcome::RolledBack {
            high_watermark: None
        }
    );
    let fenced = |id| Replica {
        is_eligible: false,
        ..replica(id)
    };
    assert_eq!(partition.on_broker_changed(fenced(2)), None);
    assert_eq!(partition.on_broker_changed(fenced(3)), Some(Offset(12)));
    assert_eq!(
        partition.on_alter_result(&asked, Ok(committed(11, &[1, 2]))),
        AlterOutcome::Ignored,
        "nothing is asked for any more"
    );
}

#[test]
fn uncertain_change_waits_for_the_metadata() {
    let mut partition = leader(&[1], 1);
    let fetched = partition
        .on_follower_fetch(&fetch(2, 0), Timestamp(1))
        .expect("fetched");
    let asked = fetched.alter.expect("asks to expand");
    assert_eq!(
        partition.on_alter_result(&asked, Err(ErrorCode::InvalidUpdateVersion)),
        AlterOutcome::Waits
    );
    // The same state again does not end it.
    partition
        .become_leader(&assignment(1, 5, 10, &[1]), Timestamp(2))
        .expect("the same");
    let fetched = partition
        .on_follower_fetch(&fetch(3, 0), Timestamp(2))
        .expect("fetched");
    assert_eq!(fetched.alter, None);
    partition
        .become_leader(&assignment(1, 5, 11, &[1, 2]), Timestamp(2))
        .expect("newer");
    let fetched = partition
        .on_follower_fetch(&fetch(3, 0), Timestamp(2))
        .expect("fetched");
    assert_eq!(ids(&fetched.alter.expect("asks again")), [1, 2, 3]);
}

#[test]
fn only_the_right_replica_joins() {
    let check = |change: &dyn Fn(&mut Partition, &mut FollowerFetch), joins: bool| {
        let mut partition = leader(&[1], 1);
        partition.on_local_append(Offset(10));
        let mut fetch = fetch(2, 10);
        change(&mut partition, &mut fetch);
        let fetched = partition
            .on_follower_fetch(&fetch, Timestamp(1))
            .expect("fetched");
        assert_eq!(fetched.alter.is_some(), joins);
    };
    check(&|_, _| (), true);
    check(&|_, fetch| fetch.offset = Offset(9), false);
    check(&|_, fetch| fetch.broker_epoch = BrokerEpoch(7), false);
    check(&|_, fetch| fetch.broker_epoch = BrokerEpoch::NONE, false);
    check(
        &|partition, _| {
            partition.on_broker_changed(Replica {
                is_eligible: false,
                ..replica(2)
            });
        },
        false,
    );
    check(
        &|partition, _| {
            partition.on_broker_changed(Replica {
                broker_epoch: BrokerEpoch(200),
                ..replica(2)
            });
        },
        false,
    );
}

#[test]
fn replica_joins_only_with_the_records_of_former_leaderships() {
    // The high watermark is stale at 2, the log of the former leaderships ends at 5.
    let settings = settings(Durability::Replicated, 1);
    let mut partition = Partition::new(BrokerId(1), settings, positions(2, 5));
    partition
        .become_leader(&assignment(1, 5, 10, &[1, 2]), Timestamp(0))
        .expect("newer");
    assert!(!partition.is_high_watermark_current());
    assert_eq!(partition.leader_epoch_start(), Some(Offset(5)));
    let fetched = partition
        .on_follower_fetch(&fetch(3, 3), Timestamp(1))
        .expect("fetched");
    assert_eq!(fetched.alter, None);
    let fetched = partition
        .on_follower_fetch(&fetch(3, 5), Timestamp(1))
        .expect("fetched");
    assert_eq!(ids(&fetched.alter.expect("joins")), [1, 2, 3]);
    let fetched = partition
        .on_follower_fetch(&fetch(2, 5), Timestamp(1))
        .expect("fetched");
    assert_eq!(fetched.high_watermark, Some(Offset(5)));
    assert!(partition.is_high_watermark_current());
}

#[test]
fn lagging_replica_leaves_and_still_counts_until_that_is_committed() {
    let mut partition = leader(&[1, 2, 3], 1);
    partition.on_local_append(Offset(10));
    let at = |ms| Timestamp(ms);
    partition
        .on_follower_fetch(&fetch(2, 10), at(1000))
        .expect("fetched");
    partition
        .on_follower_fetch(&fetch(3, 4), at(1000))
        .expect("fetched");
    assert_eq!(partition.check_lag(at(LAG_MAX_MS)).alter, None);
    let asked = partition
        .check_lag(at(LAG_MAX_MS + 1))
        .alter
        .expect("3 was never caught up");
    assert_eq!(ids(&asked), [1, 2]);
    assert_eq!(
        partition.check_lag(at(LAG_MAX_MS + 2)).alter,
        None,
        "is asked for"
    );
    partition.on_local_append(Offset(11));
    partition
        .on_follower_fetch(&fetch(2, 11), at(LAG_MAX_MS + 3))
        .expect("fetched");
    assert_eq!(partition.high_watermark(), Offset(4), "3 still counts");
    assert_eq!(
        partition.on_alter_result(&asked, Ok(committed(11, &[1, 2]))),
        AlterOutcome::Applied {
            high_watermark: Some(Offset(11))
        }
    );
}

#[test]
fn follower_that_reached_the_former_end_was_caught_up_then() {
    let mut partition = leader(&[1, 2], 1);
    partition.on_local_append(Offset(10));
    partition
        .on_follower_fetch(&fetch(2, 5), Timestamp(20_000))
        .expect("fetched");
    partition.on_local_append(Offset(20));
    // 10 was the end at 20 000, so it was caught up then, though it is behind now.
    partition
        .on_follower_fetch(&fetch(2, 10), Timestamp(40_000))
        .expect("fetched");
    assert_eq!(partition.check_lag(Timestamp(50_000)).alter, None);
    let asked = partition.check_lag(Timestamp(50_001)).alter.expect("lags");
    assert_eq!(ids(&asked), [1]);
}

#[test]
fn fetches_that_cannot_be_served_are_refused() {
    let check = |fetch: FollowerFetch, error: ErrorCode| {
        let mut partition = leader(&[1, 2], 1);
        partition.on_local_append(Offset(10));
        partition.on_log_start(Offset(2));
        assert_eq!(
            partition.on_follower_fetch(&fetch, Timestamp(1)),
            Err(error)
        );
    };
    let with = |offset, epoch, end: Option<(i32, i64)>| FollowerFetch {
        last_fetched_epoch: LeaderEpoch(epoch),
        epoch_end: end.map(|(epoch, end)| EpochEnd {
            epoch: LeaderEpoch(epoch),
            end_offset: Offset(end),
        }),
        ..fetch(2, offset)
    };
    check(fetch(9, 5), ErrorCode::UnknownLeaderEpoch);
    check(
        FollowerFetch {
            current_leader_epoch: LeaderEpoch::NONE,
            ..fetch(9, 5)
        },
        ErrorCode::NotLeaderOrFollower,
    );
    check(fetch(2, 11), ErrorCode::OffsetOutOfRange);
    check(fetch(2, 1), ErrorCode::OffsetOutOfRange);
    check(with(5, 3, None), ErrorCode::OffsetOutOfRange);
    check(with(1, 3, Some((3, 10))), ErrorCode::OffsetOutOfRange);
    check(
        FollowerFetch {
            current_leader_epoch: LeaderEpoch(4),
            ..fetch(2, 5)
        },
        ErrorCode::FencedLeaderEpoch,
    );
}

#[test]
fn diverging_follower_is_told_and_does_not_count() {
    let mut partition = leader(&[1, 2], 1);
    partition.on_local_append(Offset(10));
    let end = EpochEnd {
        epoch: LeaderEpoch(2),
        end_offset: Offset(4),
    };
    let fetch = FollowerFetch {
        last_fetched_epoch: LeaderEpoch(3),
        epoch_end: Some(end),
        ..fetch(2, 8)
    };
    let fetched = partition
        .on_follower_fetch(&fetch, Timestamp(1))
        .expect("told");
    assert_eq!(fetched.diverging, Some(end));
    assert_eq!(partition.high_watermark(), Offset(0));
}

#[test]
fn follower_state_does_not_outlive_the_leadership() {
    let mut partition = leader(&[1, 2], 1);
    partition.on_local_append(Offset(10));
    partition
        .on_follower_fetch(&fetch(2, 10), Timestamp(1))
        .expect("fetched");
    assert_eq!(partition.high_watermark(), Offset(10));
    let transition = partition
        .become_leader(&assignment(1, 6, 11, &[1, 2]), Timestamp(2))
        .expect("newer");
    assert_eq!(transition.epoch_start, Some((LeaderEpoch(6), Offset(10))));
    assert_eq!(
        partition.on_local_append(Offset(11)),
        None,
        "2 has not fetched in epoch 6"
    );
}

#[test]
fn replica_that_was_removed_and_added_again_starts_over() {
    let mut partition = leader(&[1], 1);
    partition.on_local_append(Offset(10));
    partition.on_broker_changed(Replica {
        is_eligible: false,
        ..replica(3)
    });
    partition
        .on_follower_fetch(&fetch(3, 10), Timestamp(1))
        .expect("fetched");
    assert_eq!(partition.low_watermark(), Offset(-1), "2 has not told yet");
    partition
        .become_leader(&assignment(1, 5, 13, &[1]), Timestamp(1))
        .expect("newer");
    // Its position of before the gap does not make the high watermark wait for it.
    assert_eq!(partition.on_local_append(Offset(12)), Some(Offset(12)));
}

#[test]
fn truncation_ends_where_both_logs_agree() {
    let end = |epoch, end| EpochEnd {
        epoch: LeaderEpoch(epoch),
        end_offset: Offset(end),
    };
    let check = |diverging, own: Option<EpochEnd>, log_end, expected| {
        assert_eq!(
            truncation_offset(diverging, own, Offset(log_end)),
            Offset(expected)
        );
    };
    check(end(2, 5), Some(end(2, 8)), 8, 5);
    check(end(2, 8), Some(end(2, 5)), 9, 5);
    check(end(2, 8), Some(end(1, 3)), 9, 3);
    check(end(2, 8), None, 9, 8);
    check(end(2, 8), None, 4, 4);
}

fn follower() -> Partition {
    let settings = settings(Durability::Replicated, 1);
    let mut partition = Partition::new(BrokerId(2), settings, positions(3, 5));
    partition
        .become_follower(&assignment(1, 5, 10, &[1, 2]))
        .expect("newer");
    partition
}

fn answer(partition: &Partition) -> LeaderAnswer {
    LeaderAnswer {
        asked: partition.fetch_position(LeaderEpoch(4)).expect("follows"),
        error: ErrorCode::None,
        diverging: None,
        own_epoch_end: None,
        batches_leader_epoch: LeaderEpoch::NONE,
    }
}

#[test]
fn follower_does_what_the_answer_says() {
    let partition = follower();
    let usual = answer(&partition);
    let check = |answer: LeaderAnswer, next: Next| {
        assert_eq!(partition.on_leader_answer(&answer), next, "{answer:?}");
    };
    let failed = |error| LeaderAnswer { error, ..usual };
    check(usual, Next::Append);
    check(failed(ErrorCode::OffsetOutOfRange), Next::FindStart);
    check(failed(ErrorCode::FencedLeaderEpoch), Next::WaitForMetadata);
    check(failed(ErrorCode::UnknownLeaderEpoch), Next::Retry);
    check(failed(ErrorCode::NotLeaderOrFollower), Next::Retry);
    let batches = |epoch| LeaderAnswer {
        batches_leader_epoch: LeaderEpoch(epoch),
        ..usual
    };
    check(batches(5), Next::Append);
    check(batches(6), Next::Drop);
    let diverging = LeaderAnswer {
        diverging: Some(EpochEnd {
            epoch: LeaderEpoch(3),
            end_offset: Offset(4),
        }),
        ..usual
    };
    check(diverging, Next::Truncate(Offset(4)));
    let mut older = usual;
    older.asked.current_leader_epoch = LeaderEpoch(4);
    check(older, Next::Drop);
    let mut moved = usual;
    moved.asked.offset = Offset(4);
    check(moved, Next::Drop);
}

#[test]
fn high_watermark_of_a_follower_is_within_its_log() {
    let mut partition = follower();
    assert_eq!(
        partition.on_replicated(Offset(5), Offset(9)),
        Some(Offset(5))
    );
    assert_eq!(
        partition.on_replicated(Offset(8), Offset(7)),
        Some(Offset(7))
    );
    assert_eq!(
        partition.on_replicated(Offset(8), Offset(6)),
        None,
        "a new leader knows less"
    );
    assert_eq!(partition.on_truncated(Offset(7)), None);
    assert_eq!(partition.on_truncated(Offset(6)), Some(Offset(6)));
    assert_eq!(partition.on_started_over(Offset(20)), Some(Offset(20)));
    assert_eq!(partition.positions().log_end, Offset(20));
    assert_eq!(
        partition.check_acks(Offset(1)),
        Err(ErrorCode::NotLeaderOrFollower)
    );
}

#[test]
fn nobody_is_followed_where_there_is_no_leader() {
    let mut partition = follower();
    partition
        .become_follower(&assignment(-1, 6, 11, &[1, 2]))
        .expect("newer");
    assert_eq!(partition.fetch_position(LeaderEpoch(4)), None);
    assert_eq!(partition.leader(), BrokerId::NONE);
}

#[test]
fn deleted_records_raise_the_high_watermark() {
    let mut partition = leader(&[1, 2], 1);
    partition.on_local_append(Offset(10));
    assert_eq!(partition.on_log_start(Offset(4)), Some(Offset(4)));
    assert_eq!(partition.on_log_start(Offset(4)), None);
    assert_eq!(partition.positions().log_start, Offset(4));
}
