//! Groups of the consumer protocol over a restart, and commits that come together.

use std::collections::BTreeSet;

use milena_cluster::group::{ConsumerHeartbeat, ConsumerHeartbeatResult, Producer};
use milena_cluster::metadata::{FeatureUpdate, RegisterBroker, UpdateFeatures, UpgradeKind};
use milena_log::producer_state::Marker;
use milena_log::validate::ValidBatch;
use milena_protocol::{ProducerEpoch, ProducerId, Timestamp, TopicPartition};

use super::*;
use crate::coordinator::Coordinates;
use crate::features;
use crate::group::MarkerWay;
use crate::topics::TRANSACTION_STATE;
use crate::transaction::Writing;

fn heartbeat(member_id: &str, epoch: i32, joins: bool) -> Request {
    Request::ConsumerHeartbeat(ConsumerHeartbeat {
        group: GROUP.into(),
        member_id: member_id.into(),
        member_epoch: epoch,
        group_instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: if joins { 60_000 } else { -1 },
        subscribed_topic_names: joins.then(|| vec![TOPIC.into()]),
        subscribed_topic_regex: None,
        server_assignor: None,
        owned_partitions: joins.then(Vec::new),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        new_member_uuid: Uuid::new_v4(),
        makes_member_id: true,
    })
}

async fn beat(broker: &Arc<Broker>, request: Request) -> ConsumerHeartbeatResult {
    match ask(broker, request).await {
        Response::ConsumerHeartbeat(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_outlive_the_broker() {
    run(|directory| async move {
        let first = broker(directory.path()).await;
        first.create_topic(CONSUMER_OFFSETS).await.unwrap();
        first.create_topic(TOPIC).await.unwrap();
        let joined = beat(&first, heartbeat("member", 0, true)).await;
        assert_eq!(joined.error, ErrorCode::None, "{joined:?}");
        let id = first.image().topic(TOPIC).unwrap().id;
        let assigned = joined.assignment.expect("an assignment");
        assert_eq!(assigned[&id], BTreeSet::from([PartitionIndex(0)]));
        end(first).await;

        let second = broker(directory.path()).await;
        let epoch = joined.member_epoch;
        let stays = beat(&second, heartbeat("member", epoch, false)).await;
        assert_eq!((stays.error, stays.member_epoch), (ErrorCode::None, epoch));
        let described = second.groups().describe_consumer(&[GROUP.into()]);
        assert_eq!(described[0].state, "Stable");
        assert_eq!(described[0].members[0].assignment[0].topic_name, TOPIC);
        let left = beat(&second, heartbeat("member", -1, false)).await;
        assert_eq!((left.error, left.member_epoch), (ErrorCode::None, -1));
        end(second).await;
    });
}

/// Makes the metadata those of a version that had neither these groups nor transactions.
async fn make_old(broker: &Arc<Broker>) {
    let image = broker.image();
    let newer = ["group.version", "transaction.version"];
    let lowered = newer.into_iter().filter(|name| image.feature(name) > 0);
    let lowered: Vec<FeatureUpdate> = lowered
        .map(|name| FeatureUpdate {
            name: name.to_owned(),
            level: 0,
            upgrade: UpgradeKind::SafeDowngrade,
        })
        .collect();
    let lower = UpdateFeatures {
        updates: lowered,
        validate_only: false,
    };
    broker.controller().commit(&lower).await.unwrap();
    let registered = image.broker(broker.id()).unwrap();
    let register = RegisterBroker {
        broker_id: broker.id(),
        cluster_id: broker.cluster_id().to_owned(),
        incarnation_id: Uuid::new_v4(),
        endpoints: registered.endpoints.clone(),
        features: features::supported()
            .into_iter()
            .filter(|feature| !newer.contains(&feature.name.as_str()))
            .collect(),
        rack: None,
        log_dirs: registered.log_dirs.clone(),
        previous_broker_epoch: registered.epoch,
    };
    broker.controller().commit(&register).await.unwrap();
    assert_eq!(broker.image().feature("group.version"), 0);
}

#[test]
fn an_older_development_cluster_gets_the_protocol() {
    run(|directory| async move {
        let first = broker(directory.path()).await;
        make_old(&first).await;
        assert!(!first.serves_consumer_groups());
        end(first).await;
        let second = broker(directory.path()).await;
        assert!(second.serves_consumer_groups());
        end(second).await;
    });
}

/// A commit of the group for one partition.
fn commit_to(index: i32, offset: i64) -> Request {
    let mut request = commit(nobody(), TopicId::ZERO, offset);
    if let Request::CommitOffsets(commit) = &mut request {
        commit.topics[0].partitions[0].partition = PartitionIndex(index);
    }
    request
}

#[test]
fn commits_that_come_together_are_all_stored() {
    run(|directory| async move {
        let first = broker(directory.path()).await;
        first.create_topic(CONSUMER_OFFSETS).await.unwrap();
        let count = 300;
        let commits = (0..count).map(|index| {
            let broker = Arc::clone(&first);
            async move { committed(&broker, commit_to(index, i64::from(index))).await }
        });
        let tracker = tokio_util::task::TaskTracker::new();
        let tasks: Vec<_> = commits.map(|commit| tracker.spawn(commit)).collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), ErrorCode::None);
        }
        let shard = first.groups().shards.of(GROUP).expect("a shard");
        let log_end = shard.partition.log_end();
        drop(shard);
        assert_eq!(log_end, Offset(i64::from(count)));
        end(first).await;

        let second = broker(directory.path()).await;
        let topic = TopicPartitions {
            name: TOPIC.into(),
            id: TopicId::ZERO,
            partitions: (0..count).map(PartitionIndex).collect(),
        };
        let fetch = Request::FetchOffsets(FetchOffsets {
            group: GROUP.into(),
            topics: Some(vec![topic]),
            member: None,
            require_stable: true,
        });
        let Response::FetchOffsets(fetched) = ask(&second, fetch).await else {
            panic!("a fetch");
        };
        for (index, partition) in (0..count).zip(&fetched.topics[0].partitions) {
            assert_eq!(partition.offset, Offset(i64::from(index)));
        }
        end(second).await;
    });
}

/// The end of a transaction goes past a coordinator that has given up: whoever loads the partition
/// next reads it, and from then on markers are its own again.
#[test]
fn a_marker_goes_past_a_coordinator_that_has_given_up() {
    run(|directory| async move {
        let broker = broker(directory.path()).await;
        broker.create_topic(CONSUMER_OFFSETS).await.unwrap();
        broker.create_topic(TOPIC).await.unwrap();
        let shard = broker.groups().shards.of(GROUP).expect("a shard");
        let index = shard.partition.topic_partition().partition;
        let marker = |epoch| Marker {
            producer_id: ProducerId(7),
            producer_epoch: ProducerEpoch(epoch),
            is_commit: true,
            coordinator_epoch: 0,
            timestamp: Timestamp(1_000),
        };
        commit_in_transaction(&broker, 0, 5).await;
        shard.resign();
        let partition = shard.partition.topic_partition().clone();
        let writing = Writing::begin(&broker, marker(1), 2, vec![partition]);
        let results = writing.finish(&broker).await;
        assert_eq!(results[0].1, ErrorCode::None);

        broker.groups().take(&broker, Arc::clone(&shard.partition));
        assert_eq!(fetched(&broker).await, 5);
        commit_in_transaction(&broker, 1, 6).await;
        // The one before is asked no more, even by those who have found it in time.
        let shards = &broker.groups().shards;
        assert_eq!(
            shards.while_there(&shard, 1, |_| panic!("it is there")),
            Err(1)
        );
        let batch = ValidBatch::of_marker(&marker(2), 2);
        let pass = |_| panic!("it goes past");
        let written = broker
            .groups()
            .write_marker(index, batch, (ProducerId(7), true), pass);
        assert_eq!(written.await, Ok(MarkerWay::Applied));
        assert_eq!(fetched(&broker).await, 6);
        drop(shard);
        end(broker).await;
    });
}

/// Nobody's transaction has records in `__transaction_state` any more, but one that is stored by an
/// earlier version must end.
#[test]
fn a_marker_of_the_coordinator_is_refused_nowhere() {
    run(|directory| async move {
        let broker = broker(directory.path()).await;
        broker.create_topic(TRANSACTION_STATE).await.unwrap();
        let marker = Marker {
            producer_id: ProducerId(7),
            producer_epoch: ProducerEpoch(1),
            is_commit: false,
            coordinator_epoch: 0,
            timestamp: Timestamp(1_000),
        };
        let partition = TopicPartition::new(Arc::from(TRANSACTION_STATE), PartitionIndex(0));
        let writing = Writing::begin(&broker, marker, 2, vec![partition]);
        assert_eq!(writing.finish(&broker).await[0].1, ErrorCode::None);
        end(broker).await;
    });
}

async fn commit_in_transaction(broker: &Arc<Broker>, epoch: i16, offset: i64) {
    let (id, epoch) = (ProducerId(7), ProducerEpoch(epoch));
    let shard = broker.groups().shards.of(GROUP).expect("a shard");
    let guard = shard
        .partition
        .begin_verification_of_coordinator(id, epoch, true);
    let guard = guard.expect("a transaction that begins");
    broker.groups().note_verified(GROUP, id, guard);
    let mut request = commit(nobody(), TopicId::ZERO, offset);
    if let Request::CommitOffsets(commit) = &mut request {
        commit.producer = Some(Producer { id, epoch });
    }
    assert_eq!(committed(broker, request).await, ErrorCode::None);
}
