//! Tests of the shell, on a broker of their own.

mod consumer;
mod damage;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use milena_cluster::group::{
    CommitOffsets, FetchOffsets, Join, Leave, LeavingMember, MemberRef, PartitionCommit, Protocol,
    Request, Response, Sync, TopicCommits, TopicPartitions,
};
use milena_cluster::metadata::{DeleteTopics, TopicReference};
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::broker::Broker;
use crate::options::{Mode, Options};
use crate::start::{self, Running};
use crate::topics::CONSUMER_OFFSETS;

const GROUP: &str = "group";
const TOPIC: &str = "topic";

async fn broker(directory: &Path) -> Arc<Broker> {
    let log_dirs = directory.join("data").display().to_string();
    let values = [
        ("listeners", "PLAINTEXT://127.0.0.1:0"),
        ("log.dirs", &log_dirs),
        // A load takes several reads, which end within batches.
        ("offsets.load.buffer.size", "300"),
    ];
    let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let (options, _) = Options::from_values(values.into(), Mode::Dev).unwrap();
    let Running { broker, .. } = start::start(options).await.unwrap();
    broker
}

/// Ends a broker without asking it, as a crash does.
async fn end(broker: Arc<Broker>) {
    broker.stopping().cancel();
    broker.tracker().close();
    broker.tracker().wait().await;
    crate::metadata::MetadataLog::stop(&**broker.controller().log()).await;
}

fn nobody() -> MemberRef {
    member("", -1)
}

fn member(member_id: &str, generation: i32) -> MemberRef {
    MemberRef {
        group: GROUP.into(),
        generation,
        member_id: member_id.into(),
        group_instance_id: None,
    }
}

fn commit(member: MemberRef, id: TopicId, offset: i64) -> Request {
    let partition = PartitionCommit {
        partition: PartitionIndex(0),
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(0),
        metadata: None,
    };
    Request::CommitOffsets(CommitOffsets {
        member,
        retention_ms: -1,
        understands_group_id_not_found: true,
        supports_member_epoch: true,
        producer: None,
        topics: vec![TopicCommits {
            name: TOPIC.into(),
            id,
            partitions: vec![partition],
        }],
    })
}

fn fetch() -> Request {
    let topic = TopicPartitions {
        name: TOPIC.into(),
        id: TopicId::ZERO,
        partitions: vec![PartitionIndex(0)],
    };
    Request::FetchOffsets(FetchOffsets {
        group: GROUP.into(),
        topics: Some(vec![topic]),
        member: None,
        require_stable: true,
    })
}

fn join(member_id: &str) -> Request {
    Request::Join(Join {
        group: GROUP.into(),
        member_id: member_id.into(),
        group_instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "test".into(),
        protocols: vec![Protocol {
            name: "p".into(),
            metadata: Bytes::from_static(b"m"),
        }],
        new_member_uuid: Uuid::new_v4(),
        requires_known_member_id: false,
        supports_skip_assignment: true,
    })
}

fn sync(member: MemberRef, assignments: Vec<(String, Bytes)>) -> Request {
    Request::Sync(Sync {
        member,
        protocol_type: None,
        protocol_name: None,
        assignments,
    })
}

/// Asks again while the coordinator loads.
async fn ask(broker: &Arc<Broker>, request: Request) -> Response {
    loop {
        let response = broker.groups().request(GROUP, request.clone()).await;
        if response
            != request
                .clone()
                .refused(ErrorCode::CoordinatorLoadInProgress)
        {
            return response;
        }
        tokio::task::yield_now().await;
    }
}

async fn fetched(broker: &Arc<Broker>) -> i64 {
    match ask(broker, fetch()).await {
        Response::FetchOffsets(fetched) => {
            assert_eq!(fetched.error, ErrorCode::None);
            fetched.topics[0].partitions[0].offset.0
        }
        other => panic!("{other:?}"),
    }
}

async fn committed(broker: &Arc<Broker>, request: Request) -> ErrorCode {
    match ask(broker, request).await {
        Response::CommitOffsets(topics) => topics[0].partitions[0].1,
        other => panic!("{other:?}"),
    }
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(tempfile::TempDir) -> F) {
    let directory = tempfile::tempdir().unwrap();
    Runtime::new().unwrap().block_on(test(directory));
}

#[test]
fn without_the_topic_there_is_no_coordinator() {
    run(|directory| async move {
        let broker = broker(directory.path()).await;
        let error = committed(&broker, commit(nobody(), TopicId::ZERO, 1)).await;
        assert_eq!(error, ErrorCode::NotCoordinator);
        let groups = broker.groups();
        assert_eq!(
            groups.describe(&[GROUP.into()])[0].error,
            ErrorCode::NotCoordinator
        );
        let deleted = groups.delete(&[GROUP.into()]).await;
        assert_eq!(deleted, [(GROUP.to_owned(), ErrorCode::NotCoordinator)]);
        assert_eq!(groups.list(&[], &[]), Ok(Vec::new()));
        end(broker).await;
    });
}

#[test]
fn offsets_and_groups_outlive_the_broker() {
    run(|directory| async move {
        let first = broker(directory.path()).await;
        first.create_topic(CONSUMER_OFFSETS).await.unwrap();
        for offset in 1..=20 {
            let error = committed(&first, commit(nobody(), TopicId::ZERO, offset)).await;
            assert_eq!(error, ErrorCode::None);
        }
        assert_eq!(fetched(&first).await, 20);
        let Response::Join(joined) = ask(&first, join("")).await else {
            panic!("a join")
        };
        let known = member(&joined.member_id, joined.generation);
        let assignment = Bytes::from_static(b"all");
        let assignments = vec![(known.member_id.clone(), assignment.clone())];
        ask(&first, sync(known.clone(), assignments)).await;
        end(first).await;

        let second = broker(directory.path()).await;
        assert_eq!(fetched(&second).await, 20);
        let Response::Sync(synced) = ask(&second, sync(known.clone(), Vec::new())).await else {
            panic!("a sync");
        };
        assert_eq!(
            (synced.error, synced.assignment),
            (ErrorCode::None, assignment)
        );
        let described = second.groups().describe(&[GROUP.into()]);
        assert_eq!(described[0].state, "Stable");
        let leaving = LeavingMember {
            member_id: known.member_id.clone(),
            group_instance_id: None,
        };
        let leave = Leave {
            group: GROUP.into(),
            members: vec![leaving],
        };
        ask(&second, Request::Leave(leave)).await;
        let deleted = second
            .groups()
            .delete(&["other".into(), GROUP.into()])
            .await;
        let expected = [
            ("other".to_owned(), ErrorCode::GroupIdNotFound),
            (GROUP.to_owned(), ErrorCode::None),
        ];
        assert_eq!(deleted, expected);
        assert_eq!(fetched(&second).await, -1);
        end(second).await;
    });
}

#[test]
fn members_wait_for_each_other() {
    run(|directory| async move {
        let broker = broker(directory.path()).await;
        broker.create_topic(CONSUMER_OFFSETS).await.unwrap();
        let Response::Join(first) = ask(&broker, join("")).await else {
            panic!("a join")
        };
        // The second one waits until the first one joins again.
        let (second, first) = tokio::join!(ask(&broker, join("")), async {
            let known = member(&first.member_id, first.generation);
            let heartbeat = Request::Heartbeat(known);
            let rebalance = Response::Heartbeat(ErrorCode::RebalanceInProgress);
            while ask(&broker, heartbeat.clone()).await != rebalance {
                tokio::task::yield_now().await;
            }
            ask(&broker, join(&first.member_id)).await
        });
        let (Response::Join(first), Response::Join(second)) = (first, second) else {
            panic!("two joins");
        };
        assert_eq!((first.generation, first.members.len()), (2, 2));
        assert_eq!((second.generation, &second.leader), (2, &first.member_id));
        // A broker that stops lets nobody wait.
        let waiting = ask(&broker, sync(member(&second.member_id, 2), Vec::new()));
        let stopping = async { broker.stopping().cancel() };
        let (response, ()) = tokio::join!(waiting, stopping);
        let Response::Sync(synced) = response else {
            panic!("a sync")
        };
        assert_eq!(synced.error, ErrorCode::NotCoordinator);
        end(broker).await;
    });
}

#[test]
fn offsets_of_a_deleted_topic_are_forgotten() {
    run(|directory| async move {
        let broker = broker(directory.path()).await;
        broker.create_topic(CONSUMER_OFFSETS).await.unwrap();
        broker.create_topic(TOPIC).await.unwrap();
        let id = broker.image().topic(TOPIC).unwrap().id;
        assert_eq!(
            committed(&broker, commit(nobody(), id, 7)).await,
            ErrorCode::None
        );
        assert_eq!(fetched(&broker).await, 7);
        let topics = vec![TopicReference::Id(id)];
        broker
            .controller()
            .run(&DeleteTopics { topics })
            .await
            .unwrap();
        assert_eq!(fetched(&broker).await, -1);
        end(broker).await;
    });
}
