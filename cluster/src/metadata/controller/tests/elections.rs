use super::*;
use crate::metadata::RecoveryState;

fn elect(kind: ElectionKind) -> ElectLeaders {
    ElectLeaders {
        kind,
        partitions: Some(vec![("t".into(), vec![PartitionIndex(0)])]),
    }
}

fn result(harness: &mut Harness, kind: ElectionKind) -> Result<(), ErrorCode> {
    harness
        .ok(&elect(kind))
        .remove(0)
        .result
        .map_err(|error| error.code)
}

#[test]
fn the_preferred_leader_is_elected_where_it_can_be() {
    use ElectionKind::Preferred;
    let mut harness = Harness::new(3);
    harness.create("t", &[&[1, 2]]);
    assert_eq!(
        result(&mut harness, Preferred),
        Err(ErrorCode::ElectionNotNeeded)
    );
    harness.fence(1);
    assert_eq!(harness.state(), (Some(2), vec![2], vec![]));
    assert_eq!(
        result(&mut harness, Preferred),
        Err(ErrorCode::PreferredLeaderNotAvailable)
    );
    harness.unfence(1);
    assert_eq!(
        result(&mut harness, Preferred),
        Err(ErrorCode::PreferredLeaderNotAvailable)
    );
    let change = harness.isr_change("t", &[2, 1]);
    harness.alter_isr(2, change).unwrap();
    assert_eq!(harness.state(), (Some(2), vec![2, 1], vec![]));
    let all = ElectLeaders {
        kind: Preferred,
        partitions: None,
    };
    assert_eq!(harness.ok(&all).len(), 1);
    assert_eq!(harness.state().0, Some(1));
    assert!(
        harness.ok(&all).is_empty(),
        "those that need none are left out"
    );
    for (topic, index) in [("none", 0), ("t", 9)] {
        let request = ElectLeaders {
            kind: Preferred,
            partitions: Some(vec![(topic.into(), vec![PartitionIndex(index)])]),
        };
        let error = harness.ok(&request).remove(0).result.unwrap_err();
        assert_eq!(error.code, ErrorCode::UnknownTopicOrPartition);
    }
}

#[test]
fn an_unclean_election_recovers() {
    use ElectionKind::Unclean;
    let mut harness = Harness::new(2);
    harness.create("t", &[&[1, 2]]);
    assert_eq!(
        result(&mut harness, Unclean),
        Err(ErrorCode::ElectionNotNeeded)
    );
    let change = harness.isr_change("t", &[1]);
    harness.alter_isr(1, change).unwrap();
    harness.fence(1);
    assert_eq!(
        harness.state(),
        (None, vec![1], vec![]),
        "the last in-sync replica is kept"
    );
    assert_eq!(result(&mut harness, Unclean), Ok(()));
    assert_eq!(harness.state(), (Some(2), vec![2], vec![]));
    assert_eq!(
        harness.partition("t", 0).recovery,
        RecoveryState::Recovering
    );
    let change = harness.isr_change("t", &[2]);
    let recovered = IsrChange {
        recovery: RecoveryState::Recovered,
        ..change
    };
    assert_eq!(
        harness.alter_isr(2, recovered).unwrap().recovery,
        RecoveryState::Recovered
    );
    harness.fence(2);
    assert_eq!(
        result(&mut harness, Unclean),
        Err(ErrorCode::EligibleLeadersNotAvailable)
    );
}

#[test]
fn topics_that_allow_it_elect_unclean_leaders_by_themselves() {
    let mut harness = Harness::new(2);
    harness.create("t", &[&[1, 2]]);
    let change = harness.isr_change("t", &[1]);
    harness.alter_isr(1, change).unwrap();
    harness.fence(1);
    let due = ElectUncleanLeaders { elections_max: 10 };
    assert!(!harness.ok(&due));
    assert_eq!(harness.state().0, None);
    let key = "unclean.leader.election.enable";
    harness
        .configure(ConfigResource::topic("t"), &[(key, "true")])
        .unwrap();
    assert!(!harness.ok(&due));
    assert_eq!(harness.state(), (Some(2), vec![2], vec![]));
}

#[test]
fn leaders_are_balanced_in_rounds() {
    let mut harness = Harness::new(2);
    harness.create("t", &[&[1, 2], &[1, 2], &[2, 1]]);
    harness.fence(1);
    harness.unfence(1);
    for index in 0..3 {
        let mut change = harness.isr_change("t", &[2, 1]);
        let partition = harness.partition("t", index);
        change.partition = PartitionIndex(index);
        change.leader_epoch = partition.leader_epoch;
        change.partition_epoch = partition.partition_epoch;
        harness.alter_isr(2, change).unwrap();
    }
    assert!(harness.ok(&BalanceLeaders { elections_max: 1 }));
    assert!(!harness.ok(&BalanceLeaders { elections_max: 10 }));
    assert!(
        harness
            .image
            .partitions()
            .all(|(_, _, partition)| partition.has_preferred_leader())
    );
}

#[test]
fn eligible_replicas_lead_when_nobody_is_in_sync() {
    let mut harness = Harness::with_elr(3, 2);
    harness.create("t", &[&[1, 2, 3]]);
    harness.fence(1);
    assert_eq!(
        harness.state(),
        (Some(2), vec![2, 3], vec![]),
        "enough are in sync"
    );
    harness.fence(2);
    assert_eq!(harness.state(), (Some(3), vec![3], vec![2]));
    harness.fence(3);
    assert_eq!(harness.state(), (None, vec![], vec![2, 3]));
    assert_eq!(harness.partition("t", 0).last_known_elr, ids(&[3]));
    // Broker 1 may lack acknowledged records.
    harness.unfence(1);
    assert_eq!(harness.state().0, None);
    harness.unfence(2);
    assert_eq!(harness.state(), (Some(2), vec![2], vec![3]));
    assert_eq!(harness.partition("t", 0).recovery, RecoveryState::Recovered);
    assert!(harness.partition("t", 0).last_known_elr.is_empty());
    harness.check_replay();
}

#[test]
fn an_unclean_stop_ends_eligibility() {
    let mut harness = Harness::with_elr(2, 2);
    harness.create("t", &[&[1, 2]]);
    harness.fence(1);
    assert_eq!(harness.state(), (Some(2), vec![2], vec![1]));
    let mut clean = harness.registration(1, 90);
    clean.previous_broker_epoch = harness.epoch(1);
    harness.ok(&clean);
    assert_eq!(harness.state().2, [1], "a clean stop keeps it");
    harness.register(1);
    assert_eq!(harness.state(), (Some(2), vec![2], vec![]));
    harness.register(2);
    assert_eq!(harness.state(), (None, vec![], vec![]));
    assert_eq!(harness.partition("t", 0).last_known_elr, ids(&[2]));
    // The last leader is not elected while it is dead (KAFKA-19522).
    harness.unfence(1);
    assert_eq!(harness.state().0, None);
    harness.unfence(2);
    assert_eq!(harness.state(), (Some(2), vec![2], vec![]));
    assert_eq!(
        harness.partition("t", 0).recovery,
        RecoveryState::Recovering
    );
}
