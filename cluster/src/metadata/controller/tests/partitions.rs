use super::*;

fn more(topic: &str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitions {
    CreatePartitions {
        topics: vec![MorePartitions {
            topic: topic.into(),
            count,
            assignments: assignments.map(|all| all.iter().map(|replicas| ids(replicas)).collect()),
        }],
        ..CreatePartitions::default()
    }
}

#[test]
fn partitions_are_added() {
    let mut harness = Harness::new(3);
    harness.create("t", &[&[1, 2], &[2, 3]]);
    assert_eq!(harness.ok(&more("t", 4, None))[0].1, Ok(()));
    assert_eq!(harness.image.topic("t").unwrap().partition_count(), 4);
    assert_eq!(harness.partition("t", 3).replicas.len(), 2);
    assert_eq!(harness.ok(&more("t", 5, Some(&[&[3, 1]])))[0].1, Ok(()));
    assert_eq!(harness.partition("t", 4).replicas, ids(&[3, 1]));
    let before = harness.log.len();
    let mut dry = more("t", 9, None);
    dry.validate_only = true;
    assert_eq!(harness.ok(&dry)[0].1, Ok(()));
    assert_eq!(harness.log.len(), before);
}

#[test]
fn what_cannot_be_added_is_refused() {
    let mut harness = Harness::new(3);
    harness.create("t", &[&[1, 2], &[2, 3]]);
    let before = harness.log.len();
    for (request, code, message) in [
        (
            more("t", 2, None),
            ErrorCode::InvalidPartitions,
            "Topic already has 2 partition(s).",
        ),
        (
            more("t", 1, None),
            ErrorCode::InvalidPartitions,
            "The topic t currently has 2 partition(s); 1 would not be an increase.",
        ),
        (
            more("t", i32::MIN, None),
            ErrorCode::InvalidPartitions,
            "The topic t currently has 2 partition(s); -2147483648 would not be an increase.",
        ),
        (
            more("t", i32::MAX, None),
            ErrorCode::PolicyViolation,
            "Unable to perform excessively large batch operation.",
        ),
        (
            more("none", 3, None),
            ErrorCode::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        ),
        (
            more("t", 4, Some(&[&[1, 2]])),
            ErrorCode::InvalidReplicaAssignment,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            more("t", 3, Some(&[&[1]])),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes a partition with 1 replica(s), but this is \
             not consistent with previous partitions, which have 2 replica(s).",
        ),
    ] {
        assert_eq!(harness.ok(&request)[0].1, Err(Error::new(code, message)));
    }
    let mut twice = more("t", 3, None);
    twice.topics.push(twice.topics[0].clone());
    let results = harness.ok(&twice);
    assert_eq!(results.len(), 1);
    assert_eq!(
        results[0].1.as_ref().unwrap_err().code,
        ErrorCode::InvalidRequest
    );
    assert_eq!(harness.log.len(), before);
}

fn reassign(replicas: Option<&[i32]>) -> AlterPartitionReassignments {
    AlterPartitionReassignments {
        partitions: vec![Reassignment {
            topic: "t".into(),
            partition: PartitionIndex(0),
            replicas: replicas.map(ids),
        }],
        allow_replication_factor_change: true,
    }
}

#[test]
fn a_reassignment_adds_waits_and_removes() {
    let mut harness = Harness::new(4);
    harness.create("t", &[&[1, 2]]);
    assert_eq!(harness.ok(&reassign(Some(&[3, 2])))[0].result, Ok(()));
    let partition = harness.partition("t", 0);
    assert_eq!(partition.replicas, ids(&[3, 2, 1]));
    assert_eq!(
        (&partition.adding, &partition.removing),
        (&ids(&[3]), &ids(&[1]))
    );
    let listed = harness.ok(&ListPartitionReassignments::default());
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].adding, &listed[0].removing),
        (&ids(&[3]), &ids(&[1]))
    );
    let some = ListPartitionReassignments {
        partitions: Some(vec![
            ("none".into(), vec![PartitionIndex(0)]),
            ("t".into(), vec![PartitionIndex(0), PartitionIndex(7)]),
        ]),
    };
    assert_eq!(harness.ok(&some), listed);
    // The new replica is in sync: the leader that asked is not a replica any more.
    let change = harness.isr_change("t", &[1, 2, 3]);
    assert_eq!(
        harness.alter_isr(1, change),
        Err(ErrorCode::NewLeaderElected)
    );
    let partition = harness.partition("t", 0);
    assert_eq!(partition.replicas, ids(&[3, 2]));
    assert!(!partition.is_reassigning());
    assert_eq!(partition.leader, Some(id(3)));
    assert_eq!(partition.leader_epoch, LeaderEpoch(1));
    assert!(
        harness
            .ok(&ListPartitionReassignments::default())
            .is_empty()
    );
    harness.check_replay();
}

#[test]
fn a_reassignment_among_in_sync_replicas_ends_at_once() {
    let mut harness = Harness::new(3);
    harness.create("t", &[&[1, 2, 3]]);
    assert_eq!(harness.ok(&reassign(Some(&[2, 1])))[0].result, Ok(()));
    let partition = harness.partition("t", 0);
    assert_eq!(
        (&partition.replicas, &partition.isr),
        (&ids(&[2, 1]), &ids(&[1, 2]))
    );
    assert!(!partition.is_reassigning());
    assert_eq!(partition.leader, Some(id(1)), "the leader stays");
    assert_eq!(partition.leader_epoch, LeaderEpoch(1), "a replica left");
}

#[test]
fn a_reassignment_is_cancelled() {
    let mut harness = Harness::new(3);
    harness.create("t", &[&[1, 2]]);
    let none = harness.ok(&reassign(None)).remove(0).result;
    assert_eq!(none, Err(Error::usual(ErrorCode::NoReassignmentInProgress)));
    harness.ok(&reassign(Some(&[3])));
    assert!(harness.partition("t", 0).is_reassigning());
    assert_eq!(harness.ok(&reassign(None))[0].result, Ok(()));
    let partition = harness.partition("t", 0);
    assert_eq!(partition.replicas, ids(&[1, 2]));
    assert!(!partition.is_reassigning());
}

#[test]
fn what_cannot_be_reassigned_is_refused() {
    let mut harness = Harness::new(3);
    harness.create("t", &[&[1, 2]]);
    let invalid = ErrorCode::InvalidReplicaAssignment;
    for (replicas, code) in [(&[][..], invalid), (&[9], invalid), (&[1, 1], invalid)] {
        let result = harness.ok(&reassign(Some(replicas))).remove(0).result;
        assert_eq!(result.unwrap_err().code, code);
    }
    let mut request = reassign(Some(&[1]));
    request.allow_replication_factor_change = false;
    let result = harness.ok(&request).remove(0).result;
    assert_eq!(
        result,
        Err(Error::new(
            ErrorCode::InvalidReplicationFactor,
            "The replication factor is changed from 2 to 1"
        ))
    );
    request.partitions[0].partition = PartitionIndex(9);
    let result = harness.ok(&request).remove(0).result;
    assert_eq!(result.unwrap_err().code, ErrorCode::UnknownTopicOrPartition);
    // A single broker: the same replicas change nothing.
    let before = harness.log.len();
    assert_eq!(harness.ok(&reassign(Some(&[1, 2])))[0].result, Ok(()));
    assert_eq!(harness.log.len(), before);
}

#[test]
fn isr_changes_are_checked() {
    use crate::metadata::RecoveryState;
    let mut harness = Harness::new(4);
    harness.create("t", &[&[1, 2, 3]]);
    harness.fence(3);
    harness.unfence(3);
    let good = harness.isr_change("t", &[1, 2, 3]);
    let check = |harness: &mut Harness, broker: i32, edit: &dyn Fn(&mut IsrChange), expected| {
        let mut change = good.clone();
        edit(&mut change);
        let before = harness.log.len();
        assert_eq!(harness.alter_isr(broker, change), Err(expected));
        assert_eq!(harness.log.len(), before);
    };
    let h = &mut harness;
    check(
        h,
        1,
        &|c| c.topic_id = topic_id(999),
        ErrorCode::UnknownTopicId,
    );
    check(
        h,
        1,
        &|c| c.partition = PartitionIndex(5),
        ErrorCode::UnknownTopicOrPartition,
    );
    check(h, 1, &|c| c.leader_epoch.0 += 1, ErrorCode::NotController);
    check(h, 1, &|c| c.partition_epoch += 1, ErrorCode::NotController);
    check(
        h,
        1,
        &|c| c.leader_epoch.0 -= 1,
        ErrorCode::FencedLeaderEpoch,
    );
    check(
        h,
        1,
        &|c| c.partition_epoch -= 1,
        ErrorCode::InvalidUpdateVersion,
    );
    check(h, 2, &|_| {}, ErrorCode::InvalidRequest);
    check(h, 1, &|c| c.isr.clear(), ErrorCode::InvalidRequest);
    check(h, 1, &|c| c.isr[1].0 = id(1), ErrorCode::InvalidRequest);
    check(h, 1, &|c| c.isr[1].0 = id(4), ErrorCode::InvalidRequest);
    check(h, 1, &|c| c.isr[0].0 = id(4), ErrorCode::InvalidRequest);
    check(
        h,
        1,
        &|c| c.recovery = RecoveryState::Recovering,
        ErrorCode::InvalidRequest,
    );
    check(
        h,
        1,
        &|c| c.isr[1].1 = BrokerEpoch(0),
        ErrorCode::IneligibleReplica,
    );
}

#[test]
fn isr_changes_follow_the_epochs_of_brokers() {
    let mut harness = Harness::new(3);
    harness.create("t", &[&[1, 2, 3]]);
    harness.fence(3);
    harness.unfence(3);
    let good = harness.isr_change("t", &[1, 2, 3]);
    let epoch2 = harness.epoch(2);
    let mut change = good.clone();
    change.isr[1].1 = epoch2;
    let status = harness.alter_isr(1, change).unwrap();
    assert_eq!(status.isr, ids(&[1, 2, 3]));
    assert_eq!(status.partition_epoch, good.partition_epoch + 1);
    harness.fence(3);
    let change = harness.isr_change("t", &[1, 2, 3]);
    assert_eq!(
        harness.alter_isr(1, change),
        Err(ErrorCode::IneligibleReplica)
    );
    let request = AlterPartition {
        broker_id: id(1),
        broker_epoch: BrokerEpoch(0),
        partitions: vec![],
    };
    assert_eq!(harness.refused(&request), ErrorCode::StaleBrokerEpoch);
}

#[test]
fn a_second_change_in_one_request_sees_the_first() {
    let mut harness = Harness::new(2);
    harness.create("t", &[&[1, 2]]);
    let change = harness.isr_change("t", &[1]);
    let request = AlterPartition {
        broker_id: id(1),
        broker_epoch: harness.epoch(1),
        partitions: vec![change.clone(), change],
    };
    let results = harness.ok(&request);
    assert!(results[0].result.is_ok());
    assert_eq!(results[1].result, Err(ErrorCode::InvalidUpdateVersion));
}

#[test]
fn replicas_are_assigned_to_directories() {
    let mut harness = Harness::new(2);
    let topic = harness.create("t", &[&[1, 2]]);
    let request = |harness: &Harness, directory, topic_id, partition| AssignReplicasToDirs {
        broker_id: id(1),
        broker_epoch: harness.epoch(1),
        assignments: vec![DirectoryAssignment {
            directory,
            topic_id,
            partition: PartitionIndex(partition),
        }],
    };
    let other = request(&harness, directory_of(1, 0), topic_id(999), 0);
    assert_eq!(harness.ok(&other)[0].result, Err(ErrorCode::UnknownTopicId));
    let other = request(&harness, directory_of(1, 0), topic, 9);
    assert_eq!(
        harness.ok(&other)[0].result,
        Err(ErrorCode::UnknownTopicOrPartition)
    );
    let before = harness.log.len();
    let same = request(&harness, directory_of(1, 0), topic, 0);
    assert_eq!(harness.ok(&same)[0].result, Ok(()));
    assert_eq!(harness.log.len(), before, "nothing changed");
    // A directory that is not online takes the replica down with it.
    let lost = request(&harness, directory_of(1, 5), topic, 0);
    assert_eq!(harness.ok(&lost)[0].result, Ok(()));
    let partition = harness.partition("t", 0);
    assert_eq!(partition.directories[0], directory_of(1, 5));
    assert_eq!(
        (partition.leader, &partition.isr),
        (Some(id(2)), &ids(&[2]))
    );
}
