//! Metadata (3): brokers, topics and who leads their partitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_cluster::metadata::{Image, Partition, Topic};
use milena_protocol::{BrokerId, ErrorCode, PartitionIndex, TopicId};

use super::{Api, Context, authorized};
use crate::broker::Broker;
use crate::replicas::is_internal;

/// First version in which an empty list of topics means none; before, it means all.
const EMPTY_IS_NONE_FROM: i16 = 1;
/// First version that says whether topics may be made.
const CREATION_FROM: i16 = 4;
/// First version in which a topic may be asked for by its id (KIP-516).
const TOPIC_IDS_FROM: i16 = 12;

pub(crate) struct Metadata;

impl Api for Metadata {
    type Request = MetadataRequest;

    async fn handle(
        broker: &Arc<Broker>,
        context: &Context,
        request: MetadataRequest,
    ) -> MetadataResponse {
        if context.version < TOPIC_IDS_FROM && names_by_id(&request) {
            return refused(&request);
        }
        let creates = context.version < CREATION_FROM || request.allow_auto_topic_creation;
        let asked = match request.topics {
            None => None,
            Some(topics) if topics.is_empty() && context.version < EMPTY_IS_NONE_FROM => None,
            Some(topics) => Some(topics),
        };
        if let (Some(topics), true) = (&asked, creates) {
            create_missing(broker, topics).await;
        }
        let image = broker.image();
        let view = View {
            broker,
            image: &image,
            listener: listener_name(broker, context),
            shows_operations: request.include_topic_authorized_operations,
        };
        let topics = match asked {
            None => image.topics().map(|topic| view.topic(topic)).collect(),
            Some(topics) => {
                let mut seen = BTreeSet::new();
                topics
                    .into_iter()
                    .filter(|topic| seen.insert((topic.name.clone(), topic.topic_id)))
                    .map(|topic| view.asked(topic))
                    .collect()
            }
        };
        let mut response = MetadataResponse::default()
            .with_brokers(view.brokers())
            .with_cluster_id(Some(StrBytes::from_string(broker.cluster_id().to_owned())))
            .with_controller_id(WireBrokerId(view.controller().0))
            .with_topics(topics);
        if request.include_cluster_authorized_operations {
            response.cluster_authorized_operations = authorized::CLUSTER;
        }
        response
    }

    fn throttle(response: &mut MetadataResponse, throttle_ms: i32) {
        response.throttle_time_ms = throttle_ms;
    }
}

/// True where a topic is given by its id, or not at all.
fn names_by_id(request: &MetadataRequest) -> bool {
    let mut topics = request.topics.iter().flatten();
    topics.any(|topic| topic.name.is_none() || !topic.topic_id.is_nil())
}

/// The answer to a request that its version does not allow.
fn refused(request: &MetadataRequest) -> MetadataResponse {
    let topics = request.topics.iter().flatten().map(|topic| {
        MetadataResponseTopic::default()
            .with_name(Some(topic.name.clone().unwrap_or_default()))
            .with_topic_id(topic.topic_id)
            .with_error_code(ErrorCode::InvalidRequest.code())
    });
    MetadataResponse::default().with_topics(topics.collect())
}

/// Name of the listener that a request came through.
pub(super) fn listener_name<'a>(broker: &'a Broker, context: &Context) -> &'a str {
    broker
        .advertised()
        .get(context.peer.listener)
        .map_or("", |listener| listener.name.as_str())
}

/// Makes the topics that are asked for by name and missing, where the configuration allows it.
async fn create_missing(broker: &Arc<Broker>, topics: &[MetadataRequestTopic]) {
    if !broker.values().boolean("auto.create.topics.enable") {
        return;
    }
    let missing: BTreeSet<&str> = {
        let image = broker.image();
        let by_name = topics.iter().filter(|topic| topic.topic_id.is_nil());
        let named = by_name.filter_map(|topic| topic.name.as_ref());
        named
            .map(|name| name.as_str())
            .filter(|name| image.topic(name).is_none())
            .collect()
    };
    for name in missing {
        // Whoever asks sees in the response that the topic is missing, and asks again.
        if let Err(error) = broker.create_topic(name).await {
            tracing::debug!(topic = name, ?error, "topic was not made on first use");
        }
    }
}

struct View<'a> {
    broker: &'a Broker,
    image: &'a Image,
    listener: &'a str,
    shows_operations: bool,
}

impl View<'_> {
    fn brokers(&self) -> Vec<MetadataResponseBroker> {
        let live = self.image.brokers().filter(|broker| !broker.fenced);
        live.filter_map(|broker| {
            let endpoint = broker.endpoint(self.listener)?;
            let rack = broker
                .rack
                .as_deref()
                .map(|rack| StrBytes::from_string(rack.to_owned()));
            Some(
                MetadataResponseBroker::default()
                    .with_node_id(WireBrokerId(broker.id.0))
                    .with_host(StrBytes::from_string(endpoint.host.clone()))
                    .with_port(i32::from(endpoint.port))
                    .with_rack(rack),
            )
        })
        .collect()
    }

    /// A broker to which requests for the controller can be sent: each passes them on.
    fn controller(&self) -> BrokerId {
        self.broker.id()
    }

    fn asked(&self, asked: MetadataRequestTopic) -> MetadataResponseTopic {
        let mut response = MetadataResponseTopic::default();
        if self.shows_operations {
            response.topic_authorized_operations = authorized::TOPIC;
        }
        // Where there is an id it counts: Java's consumers send an empty name beside it.
        let name = asked.name.filter(|_| asked.topic_id.is_nil());
        let Some(name) = name else {
            let id = TopicId(asked.topic_id);
            return match self.image.topic_by_id(id) {
                Some(topic) => self.topic(topic),
                None => response
                    .with_name(None)
                    .with_topic_id(asked.topic_id)
                    .with_error_code(ErrorCode::UnknownTopicId.code()),
            };
        };
        match self.image.topic(&name) {
            Some(topic) => self.topic(topic),
            None => {
                let error = match milena_cluster::metadata::check_topic_name(&name) {
                    Ok(()) => ErrorCode::UnknownTopicOrPartition,
                    Err(_) => ErrorCode::InvalidTopicException,
                };
                response
                    .with_is_internal(is_internal(&name))
                    .with_name(Some(name))
                    .with_error_code(error.code())
            }
        }
    }

    fn topic(&self, topic: &Topic) -> MetadataResponseTopic {
        let partitions = topic
            .partitions
            .iter()
            .map(|(&index, partition)| self.partition(index, partition));
        let mut response = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(
                topic.name.to_string(),
            ))))
            .with_topic_id(topic.id.0)
            .with_is_internal(is_internal(&topic.name))
            .with_partitions(partitions.collect());
        if self.shows_operations {
            response.topic_authorized_operations = authorized::TOPIC;
        }
        response
    }

    fn partition(&self, index: PartitionIndex, partition: &Partition) -> MetadataResponsePartition {
        let leader = partition.leader.filter(|leader| self.is_reachable(*leader));
        let error = match (partition.leader, leader) {
            (None, _) => ErrorCode::LeaderNotAvailable,
            (Some(_), None) => ErrorCode::ListenerNotFound,
            (Some(_), Some(_)) => ErrorCode::None,
        };
        let offline = partition
            .replicas
            .iter()
            .copied()
            .filter(|replica| !self.is_reachable(*replica));
        MetadataResponsePartition::default()
            .with_error_code(error.code())
            .with_partition_index(index.0)
            .with_leader_id(wire(leader.unwrap_or(BrokerId::NONE)))
            .with_leader_epoch(partition.leader_epoch.0)
            .with_replica_nodes(partition.replicas.iter().copied().map(wire).collect())
            .with_isr_nodes(partition.isr.iter().copied().map(wire).collect())
            .with_offline_replicas(offline.map(wire).collect())
    }

    fn is_reachable(&self, id: BrokerId) -> bool {
        self.image
            .broker(id)
            .is_some_and(|broker| !broker.fenced && broker.endpoint(self.listener).is_some())
    }
}

fn wire(id: BrokerId) -> WireBrokerId {
    WireBrokerId(id.0)
}
