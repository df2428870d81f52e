//! OffsetFetch (9): how far groups have read.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::Decodable;
use milena_cluster::group::{
    FetchOffsets, FetchedOffset, FetchedOffsets, FetchedTopic, FetchingMember, Request, Response,
    TopicPartitions,
};
use milena_cluster::metadata::Image;
use milena_protocol::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId, message};

use super::answer::text;
use super::{Api, Context, Unreadable};
use crate::broker::Broker;

/// First version with an error of the whole answer.
const GROUP_ERROR_FROM: i16 = 2;
/// First version with several groups.
const GROUPS_FROM: i16 = 8;
/// First version that names topics by id (KIP-848).
const TOPIC_IDS_FROM: i16 = 10;

pub(crate) struct OffsetFetch;

/// A group that is asked for.
struct Asking {
    group: String,
    /// All topics where there is none.
    topics: Option<Vec<Asked>>,
    /// Who asks, from version 9 on.
    member: Option<FetchingMember>,
    require_stable: bool,
    has_ids: bool,
}

/// A topic that is asked for.
struct Asked {
    name: TopicName,
    id: TopicId,
    partitions: Vec<i32>,
}

impl Api for OffsetFetch {
    type Request = OffsetFetchRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: OffsetFetchRequest,
    ) -> OffsetFetchResponse {
        let (version, require_stable) = (context.version, request.require_stable);
        if version < GROUPS_FROM {
            let asked = request.topics.clone().unwrap_or_default();
            let topics = request.topics.map(|topics| {
                let asked = topics.into_iter().map(|topic| Asked {
                    name: topic.name,
                    id: TopicId::ZERO,
                    partitions: topic.partition_indexes,
                });
                asked.collect()
            });
            let asking = Asking {
                group: request.group_id.to_string(),
                topics,
                member: None,
                require_stable,
                has_ids: false,
            };
            let mut fetched = fetch(broker, asking).await;
            if version < GROUP_ERROR_FROM && fetched.error != ErrorCode::None {
                fetched.topics = asked
                    .iter()
                    .map(|topic| refused(topic, fetched.error))
                    .collect();
            }
            return respond_old(fetched, version);
        }
        let has_ids = version >= TOPIC_IDS_FROM;
        let mut groups = Vec::with_capacity(request.groups.len());
        for asked in request.groups {
            let asking = asking(asked, require_stable, has_ids);
            let fetched = fetch(broker, asking).await;
            groups.push(respond(fetched));
        }
        OffsetFetchResponse::default().with_groups(groups)
    }

    fn throttle(response: &mut OffsetFetchResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }

    fn decode(version: i16, body: &mut Bytes) -> Result<OffsetFetchRequest, Unreadable> {
        let unreadable = |error: String| Unreadable::Message(error);
        if version >= TOPIC_IDS_FROM {
            return message::offset_fetch::decode_v10(body)
                .map_err(|error| unreadable(error.to_string()));
        }
        OffsetFetchRequest::decode(body, version).map_err(|error| unreadable(error.to_string()))
    }
}

fn asking(asked: OffsetFetchRequestGroup, require_stable: bool, has_ids: bool) -> Asking {
    let topics = asked.topics.map(|topics| {
        let asked = topics.into_iter().map(|topic| Asked {
            name: topic.name,
            id: TopicId(topic.topic_id),
            partitions: topic.partition_indexes,
        });
        asked.collect()
    });
    let member_epoch = asked.member_epoch;
    // Clients of the classic protocol and tools name nobody.
    let is_named = asked.member_id.is_some() || member_epoch >= 0;
    let member = is_named.then(|| FetchingMember {
        member_id: asked
            .member_id
            .map_or_else(String::new, |id| id.to_string()),
        member_epoch,
    });
    Asking {
        group: asked.group_id.to_string(),
        topics,
        member,
        require_stable,
        has_ids,
    }
}

/// A topic all of whose partitions have one error.
fn refused(topic: &OffsetFetchRequestTopic, error: ErrorCode) -> FetchedTopic {
    let indexes = topic.partition_indexes.iter();
    FetchedTopic {
        name: topic.name.to_string(),
        id: TopicId::ZERO,
        partitions: indexes
            .map(|index| nothing(PartitionIndex(*index), error))
            .collect(),
    }
}

fn nothing(partition: PartitionIndex, error: ErrorCode) -> FetchedOffset {
    FetchedOffset {
        partition,
        error,
        offset: Offset::NONE,
        leader_epoch: LeaderEpoch::NONE,
        metadata: String::new(),
    }
}

/// Asks the coordinator of one group. Every partition that is asked for is answered.
async fn fetch(broker: &Arc<Broker>, asking: Asking) -> FetchedOffsets {
    let Asking {
        group,
        topics,
        member,
        require_stable,
        has_ids,
    } = asking;
    let image = broker.image();
    // Topics that are not here are answered here.
    let mut unknown = Vec::new();
    let topics = topics.map(|topics| {
        let known = topics
            .into_iter()
            .filter_map(|topic| locate(&image, topic, has_ids, &mut unknown));
        known.collect()
    });
    let request = FetchOffsets {
        group: group.clone(),
        topics,
        member,
        require_stable,
    };
    let response = broker
        .groups()
        .request(&group, Request::FetchOffsets(request))
        .await;
    let Response::FetchOffsets(mut fetched) = response else {
        unreachable!("a fetch is answered with {response:?}");
    };
    if has_ids {
        // All topics of the group were asked for: they come with their names only.
        fetched.topics.retain_mut(|topic| {
            if topic.id.is_zero() {
                topic.id = image
                    .topic(&topic.name)
                    .map_or(TopicId::ZERO, |known| known.id);
            }
            !topic.id.is_zero()
        });
    }
    if fetched.error == ErrorCode::None {
        fetched.topics.extend(unknown);
    }
    fetched
}

/// The topic with name and id. Without ids a topic that does not exist may still have offsets.
fn locate(
    image: &Image,
    topic: Asked,
    has_ids: bool,
    unknown: &mut Vec<FetchedTopic>,
) -> Option<TopicPartitions> {
    let partitions = topic.partitions.into_iter().map(PartitionIndex);
    if !has_ids {
        let id = image
            .topic(&topic.name)
            .map_or(TopicId::ZERO, |known| known.id);
        let name = topic.name.to_string();
        return Some(TopicPartitions {
            name,
            id,
            partitions: partitions.collect(),
        });
    }
    if let Some(known) = image.topic_by_id(topic.id) {
        let name = known.name.to_string();
        return Some(TopicPartitions {
            name,
            id: topic.id,
            partitions: partitions.collect(),
        });
    }
    let partitions = partitions.map(|partition| nothing(partition, ErrorCode::UnknownTopicId));
    unknown.push(FetchedTopic {
        name: String::new(),
        id: topic.id,
        partitions: partitions.collect(),
    });
    None
}

fn respond(fetched: FetchedOffsets) -> OffsetFetchResponseGroup {
    let topics = fetched.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(partition.partition.0)
                .with_committed_offset(partition.offset.0)
                .with_committed_leader_epoch(partition.leader_epoch.0)
                .with_metadata(Some(text(partition.metadata)))
                .with_error_code(partition.error.code())
        });
        OffsetFetchResponseTopics::default()
            .with_name(TopicName(text(topic.name)))
            .with_topic_id(topic.id.0)
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponseGroup::default()
        .with_group_id(text(fetched.group).into())
        .with_topics(topics.collect())
        .with_error_code(fetched.error.code())
}

/// The answer to a request with one group.
fn respond_old(fetched: FetchedOffsets, version: i16) -> OffsetFetchResponse {
    let topics = fetched.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition.0)
                .with_committed_offset(partition.offset.0)
                .with_committed_leader_epoch(partition.leader_epoch.0)
                .with_metadata(Some(text(partition.metadata)))
                .with_error_code(partition.error.code())
        });
        OffsetFetchResponseTopic::default()
            .with_name(TopicName(text(topic.name)))
            .with_partitions(partitions.collect())
    });
    let response = OffsetFetchResponse::default().with_topics(topics.collect());
    if version < GROUP_ERROR_FROM {
        return response;
    }
    response.with_error_code(fetched.error.code())
}
