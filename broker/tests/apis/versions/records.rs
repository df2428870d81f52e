//! APIs of records.

use bytes::Bytes;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, DeleteRecordsRequest, DescribeProducersRequest, FetchRequest, InitProducerIdRequest,
    ListOffsetsRequest, OffsetForLeaderEpochRequest, ProduceRequest, ProducerId, TransactionalId,
};
use uuid::Uuid;

use super::World;
use crate::client::{batch, text, topic};

/// One record for partition 0 of a topic.
pub(super) fn one_produce(name: &str) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_records(Some(batch(5, &["x"]).into()));
    let data = TopicProduceData::default()
        .with_name(topic(name))
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![data])
}

/// A fetch that wants more than there is.
pub(super) fn waiting_fetch(wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(0)
        .with_partition_max_bytes(1 << 20);
    let asked = FetchTopic::default()
        .with_topic(topic("known"))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1 << 20)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![asked])
}

pub(super) fn produce(world: &mut World, version: i16) {
    let mut damaged = batch(5, &["damaged"]);
    *damaged.last_mut().unwrap() ^= 1;
    let all = [batch(5, &["x", "y"]), damaged, Vec::new()];
    for records in all {
        for index in [0, 7] {
            let topics = [("known", world.known), ("absent", Uuid::from_u128(77))];
            let data = topics.map(|(name, id)| {
                let records = Some(Bytes::from(records.clone()));
                let partition = PartitionProduceData::default()
                    .with_index(index)
                    .with_records(records);
                let data = TopicProduceData::default().with_partition_data(vec![partition]);
                if version < 13 {
                    data.with_name(topic(name))
                } else {
                    data.with_topic_id(id)
                }
            });
            let request = ProduceRequest::default()
                .with_acks(-1)
                .with_timeout_ms(10_000)
                .with_topic_data(data.into());
            let response = world.client.call(version, &request);
            let codes: Vec<_> = response
                .responses
                .iter()
                .map(|topic| {
                    (
                        topic.partition_responses[0].index,
                        topic.partition_responses[0].error_code,
                    )
                })
                .collect();
            let unknown = if version < 13 { 3 } else { 100 };
            let known = match (index, records.len()) {
                (7, _) => 3,
                (_, 0) => 87,
                _ if records == batch(5, &["x", "y"]) => 0,
                _ => 2,
            };
            assert_eq!(codes, [(index, known), (index, unknown)], "{version}");
        }
    }
}

/// A fetch without partitions.
fn fetch_request(version: i16, isolation_level: i8) -> FetchRequest {
    let mut request = FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_isolation_level(isolation_level);
    if version < 15 {
        request.replica_id = BrokerId(-1);
    }
    request
}

/// A partition with records, one without, one that is not; of a topic that is and one that is not.
fn fetch_topics(version: i16, known: Uuid) -> Vec<FetchTopic> {
    let topics = [("known", known), ("absent", Uuid::from_u128(77))];
    let topics = topics.map(|(name, id)| {
        let partitions = [(0, 0), (1, 5), (7, 0)].map(|(index, offset)| {
            let mut partition = FetchPartition::default()
                .with_partition(index)
                .with_fetch_offset(offset)
                .with_partition_max_bytes(1 << 20);
            if version >= 9 {
                partition.current_leader_epoch = 0;
            }
            partition
        });
        let asked = FetchTopic::default().with_partitions(partitions.into());
        if version < 13 {
            asked.with_topic(topic(name))
        } else {
            asked.with_topic_id(id)
        }
    });
    topics.into()
}

pub(super) fn fetch(world: &mut World, version: i16) {
    for isolation_level in [0, 1] {
        let mut full =
            fetch_request(version, isolation_level).with_topics(fetch_topics(version, world.known));
        if version >= 7 {
            full.session_epoch = 0;
        }
        let response = world.client.call(version, &full);
        let known = &response.responses[0].partitions;
        let codes: Vec<_> = known
            .iter()
            .map(|found| (found.partition_index, found.error_code))
            .collect();
        assert_eq!(codes, [(0, 0), (1, 1), (7, 3)], "{version}");
        assert!(
            known[0]
                .records
                .as_ref()
                .is_some_and(|records| !records.is_empty())
        );
        if version >= 7 {
            assert_ne!(response.session_id, 0);
            continue_session(world, version, response.session_id);
        }
    }
    if version >= 7 {
        let lost = fetch_request(version, 0)
            .with_session_id(12345)
            .with_session_epoch(3);
        assert_eq!(world.client.call(version, &lost).error_code, 70);
    }
}

/// The next fetch of a session, which forgets a partition.
fn continue_session(world: &mut World, version: i16, session_id: i32) {
    let forgotten = ForgottenTopic::default().with_partitions(vec![0]);
    let forgotten = if version < 13 {
        forgotten.with_topic(topic("known"))
    } else {
        forgotten.with_topic_id(world.known)
    };
    let mut next = fetch_request(version, 0)
        .with_session_id(session_id)
        .with_session_epoch(1)
        .with_forgotten_topics_data(vec![forgotten]);
    if version >= 11 {
        next.rack_id = text("r");
    }
    let next = world.client.call(version, &next);
    assert_eq!((next.error_code, next.session_id), (0, session_id));
}

pub(super) fn list_offsets(world: &mut World, version: i16) {
    let shape = version.min(10);
    for timestamp in [-1, -2, -3, -4, -5, -6, -7, 0, 1_001, i64::MAX] {
        let topics = ["known", "absent"].map(|name| {
            let partitions = [0, 1, 7].map(|index| {
                let partition = ListOffsetsPartition::default()
                    .with_partition_index(index)
                    .with_timestamp(timestamp);
                if version < 4 {
                    partition
                } else {
                    partition.with_current_leader_epoch(0)
                }
            });
            ListOffsetsTopic::default()
                .with_name(topic(name))
                .with_partitions(partitions.into())
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(topics.into());
        let request = if version < 2 {
            request
        } else {
            request.with_isolation_level(1)
        };
        let request = if version < 10 {
            request
        } else {
            request.with_timeout_ms(1_000)
        };
        let response = world.client.call_as(version, shape, &request);
        assert_eq!(response.topics.len(), 2);
        assert_eq!(response.topics[1].partitions[0].error_code, 3);
        if timestamp == 1_001 {
            let found = &response.topics[0].partitions[0];
            assert_eq!(
                (found.error_code, found.offset, found.timestamp),
                (0, 1, 1_001)
            );
        }
    }
}

pub(super) fn delete_records(world: &mut World, version: i16) {
    let topics = ["known", "absent"].map(|name| {
        let partitions = [(0, 0), (1, -1), (1, 99), (7, 0)].map(|(index, offset)| {
            DeleteRecordsPartition::default()
                .with_partition_index(index)
                .with_offset(offset)
        });
        DeleteRecordsTopic::default()
            .with_name(topic(name))
            .with_partitions(partitions.into())
    });
    let request = DeleteRecordsRequest::default()
        .with_timeout_ms(1_000)
        .with_topics(topics.into());
    assert_eq!(world.client.call(version, &request).topics.len(), 2);
}

pub(super) fn init_producer_id(world: &mut World, version: i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000);
    let first = world.client.call(version, &request);
    assert_eq!((first.error_code, first.producer_epoch), (0, 0));
    if version >= 3 {
        let bump = request
            .clone()
            .with_producer_id(first.producer_id)
            .with_producer_epoch(0);
        world.client.call(version, &bump);
        let half = request
            .clone()
            .with_producer_id(ProducerId(5))
            .with_producer_epoch(-1);
        assert_eq!(world.client.call(version, &half).error_code, 42);
    }
    let mut init = |id: &str| {
        let transactional = request
            .clone()
            .with_transactional_id(Some(TransactionalId(text(id))));
        world.client.call(version, &transactional)
    };
    assert_eq!(init("").error_code, 42);
    let name = format!("init-{version}");
    let first = init(&name);
    assert_eq!((first.error_code, first.producer_epoch), (0, 0));
    assert_eq!(init(&name).producer_epoch, 1);
}

pub(super) fn offset_for_leader_epoch(world: &mut World, version: i16) {
    let topics = ["known", "absent"].map(|name| {
        let partitions =
            [(0, -1, 0), (0, 0, 5), (1, 9, 0), (7, -1, 0)].map(|(index, known, asked)| {
                OffsetForLeaderPartition::default()
                    .with_partition(index)
                    .with_current_leader_epoch(known)
                    .with_leader_epoch(asked)
            });
        OffsetForLeaderTopic::default()
            .with_topic(topic(name))
            .with_partitions(partitions.into())
    });
    let request = OffsetForLeaderEpochRequest::default().with_topics(topics.into());
    let request = if version < 3 {
        request
    } else {
        request.with_replica_id(BrokerId(-1))
    };
    let response = world.client.call(version, &request);
    assert_eq!(response.topics.len(), 2);
}

pub(super) fn describe_producers(world: &mut World, version: i16) {
    let topics = ["known", "absent"].map(|name| {
        TopicRequest::default()
            .with_name(topic(name))
            .with_partition_indexes(vec![0, 7])
    });
    let request = DescribeProducersRequest::default().with_topics(topics.into());
    let response = world.client.call(version, &request);
    let codes: Vec<_> = response
        .topics
        .iter()
        .flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|partition| partition.error_code)
        })
        .collect();
    assert_eq!(codes, [0, 3, 3, 3]);
}
