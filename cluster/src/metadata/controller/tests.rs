//! One harness for all operations: every accepted request is applied, replayed and checked.

mod brokers;
mod configs;
mod elections;
mod features;
mod partitions;
mod property;
mod quotas;
mod topics;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use milena_protocol::config::BrokerValues;
use milena_protocol::stored::metadata::{Endpoint, FeatureRange, Record};
use milena_protocol::{
    BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId,
};
use uuid::Uuid;

use super::*;
use crate::metadata::{ConfigResource, Error, Image, Partition, Position};

const CLUSTER: &str = "cluster";
const SESSION_MS: i64 = 9000;

pub(super) fn id(value: i32) -> BrokerId {
    BrokerId(value)
}

fn ids(values: &[i32]) -> Vec<BrokerId> {
    values.iter().copied().map(BrokerId).collect()
}

fn topic_id(value: u128) -> TopicId {
    TopicId(Uuid::from_u128(1_000_000 + value))
}

/// Directory of a broker.
fn directory_of(broker: i32, index: u128) -> Uuid {
    Uuid::from_u128(1000 + u128::from(broker.unsigned_abs()) * 10 + index)
}

/// A cluster under test.
struct Harness {
    controller: Controller,
    image: Image,
    /// Entries of the log.
    log: Vec<(Position, Vec<Record>)>,
    now: Timestamp,
    topics: u128,
}

impl Harness {
    /// An empty cluster with these features.
    fn with(config: Config, features: &[(&str, i16)], rules: Arc<dyn Rules>) -> Self {
        let mut harness = Self {
            controller: Controller::new(config, rules),
            image: Image::new(CLUSTER),
            log: Vec::new(),
            now: Timestamp(1_000_000),
            topics: 0,
        };
        let features = features
            .iter()
            .map(|&(name, level)| (name.to_owned(), level))
            .collect();
        harness.ok(&Bootstrap { features });
        harness
    }

    fn tables() -> Arc<dyn Rules> {
        Arc::new(ConfigTables::new(BrokerValues::new(BTreeMap::new())))
    }

    /// Active brokers 1 to `brokers`, without eligible leader replicas.
    fn new(brokers: i32) -> Self {
        let mut harness = Self::with(
            Config::default(),
            &[("metadata.version", 30)],
            Self::tables(),
        );
        harness.start_all(brokers);
        harness
    }

    /// The same with eligible leader replicas and a minimum of in-sync replicas.
    fn with_elr(brokers: i32, min_insync_replicas: i32) -> Self {
        let config = Config {
            min_insync_replicas,
            ..Config::default()
        };
        let features = [
            ("metadata.version", 30),
            ("eligible.leader.replicas.version", 1),
        ];
        let mut harness = Self::with(config, &features, Self::tables());
        harness.start_all(brokers);
        harness
    }

    fn start_all(&mut self, brokers: i32) {
        for broker in 1..=brokers {
            self.register(broker);
            self.unfence(broker);
        }
    }

    /// Evaluates; an accepted request is applied.
    fn run<O: Operation>(&mut self, request: &O) -> Result<O::Response, Error>
    where
        O::Response: PartialEq + Debug,
    {
        let decision = self.controller.decide(&self.image, self.now, request)?;
        let again = self.controller.decide(&self.image, self.now, request);
        assert_eq!(
            again.as_ref(),
            Ok(&decision),
            "the same request decides the same"
        );
        if !decision.records.is_empty() {
            let offset = Offset(self.image.position().offset.0 + 1);
            let position = Position {
                offset,
                epoch: LeaderEpoch(1),
            };
            self.image.advance(position);
            for record in &decision.records {
                self.image.apply(record);
            }
            self.log.push((position, decision.records));
        }
        self.check();
        Ok(decision.response)
    }

    fn ok<O: Operation>(&mut self, request: &O) -> O::Response
    where
        O::Response: PartialEq + Debug,
    {
        self.run(request).unwrap()
    }

    /// The code with which a request as a whole is refused.
    fn refused<O: Operation>(&mut self, request: &O) -> ErrorCode
    where
        O::Response: PartialEq + Debug,
    {
        let before = self.log.len();
        let code = self.run(request).unwrap_err().code;
        assert_eq!(self.log.len(), before);
        code
    }

    fn last_records(&self) -> &[Record] {
        &self.log.last().unwrap().1
    }

    /// Invariants, and that snapshot and replay give the image.
    fn check(&self) {
        self.image.check_invariants();
        let snapshot = self.image.encode_snapshot();
        let (position, digest) = (self.image.position(), self.image.digest());
        assert_eq!(
            Image::from_records(CLUSTER, &snapshot, position, digest),
            self.image
        );
    }

    fn check_replay(&self) {
        let mut copy = Image::new(CLUSTER);
        for (position, records) in &self.log {
            copy.advance(*position);
            for record in records {
                let mut bytes = bytes::BytesMut::new();
                record
                    .encode(self.image.metadata_version(), &mut bytes)
                    .unwrap();
                copy.apply(&Record::decode(&bytes).unwrap());
            }
        }
        assert_eq!(copy, self.image);
        assert_eq!(copy.digest(), self.image.digest());
        assert_eq!(copy.features_epoch(), self.image.features_epoch());
    }

    fn registration(&self, broker: i32, incarnation: u128) -> RegisterBroker {
        let features = &self.controller.config().supported_features;
        RegisterBroker {
            broker_id: id(broker),
            cluster_id: CLUSTER.to_owned(),
            incarnation_id: Uuid::from_u128(incarnation),
            endpoints: vec![Endpoint {
                name: "PLAINTEXT".into(),
                host: "localhost".into(),
                port: 9092,
                security_protocol: 0,
            }],
            features: features
                .iter()
                .map(|(name, &(min, max))| FeatureRange {
                    name: name.clone(),
                    min_supported_version: min,
                    max_supported_version: max,
                })
                .collect(),
            rack: None,
            log_dirs: vec![directory_of(broker, 0)],
            previous_broker_epoch: BrokerEpoch::NONE,
        }
    }

    fn register(&mut self, broker: i32) {
        let incarnation = u128::try_from(self.log.len()).unwrap() + 100;
        let request = self.registration(broker, incarnation);
        self.ok(&request);
    }

    fn epoch(&self, broker: i32) -> BrokerEpoch {
        self.image.broker(id(broker)).unwrap().epoch
    }

    fn heartbeat(&self, broker: i32) -> Heartbeat {
        Heartbeat {
            broker_id: id(broker),
            broker_epoch: self.epoch(broker),
            current_metadata_offset: self.image.position().offset,
            want_fence: false,
            want_shut_down: false,
            offline_log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        }
    }

    fn beat(&mut self, heartbeat: &Heartbeat) -> HeartbeatResponse {
        let response = self.ok(heartbeat);
        self.controller.heard(&self.image, self.now, heartbeat);
        response
    }

    fn unfence(&mut self, broker: i32) -> HeartbeatResponse {
        let heartbeat = self.heartbeat(broker);
        self.beat(&heartbeat)
    }

    fn fence(&mut self, broker: i32) {
        self.ok(&FenceBroker {
            broker_id: id(broker),
        });
    }

    fn new_topic(&mut self, name: &str, partitions: i32, replicas: i16) -> NewTopic {
        self.topics += 1;
        NewTopic {
            name: name.to_owned(),
            id: topic_id(self.topics),
            num_partitions: partitions,
            replication_factor: replicas,
            ..NewTopic::default()
        }
    }

    fn create_with(&mut self, topic: NewTopic) -> Result<CreatedTopic, Error> {
        let request = CreateTopics {
            topics: vec![topic],
            ..CreateTopics::default()
        };
        self.ok(&request).remove(0).result
    }

    /// A topic with given replicas of its partitions.
    fn create(&mut self, name: &str, assignments: &[&[i32]]) -> TopicId {
        let mut topic = self.new_topic(name, -1, -1);
        topic.assignments = (0..)
            .map(PartitionIndex)
            .zip(assignments.iter().map(|replicas| ids(replicas)))
            .collect();
        self.create_with(topic).unwrap().id
    }

    fn partition(&self, topic: &str, index: i32) -> &Partition {
        self.image.partition(topic, PartitionIndex(index)).unwrap()
    }

    /// Leader, ISR and ELR of partition 0 of topic `t`.
    fn state(&self) -> (Option<i32>, Vec<i32>, Vec<i32>) {
        let partition = self.partition("t", 0);
        let numbers = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
        (
            partition.leader.map(|leader| leader.0),
            numbers(&partition.isr),
            numbers(&partition.elr),
        )
    }

    fn isr_change(&self, topic: &str, isr: &[i32]) -> IsrChange {
        let partition = self.partition(topic, 0);
        IsrChange {
            topic_id: self.image.topic(topic).unwrap().id,
            partition: PartitionIndex(0),
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            isr: isr
                .iter()
                .map(|&id| (BrokerId(id), BrokerEpoch::NONE))
                .collect(),
            recovery: partition.recovery,
        }
    }

    fn alter_isr(&mut self, broker: i32, change: IsrChange) -> Result<PartitionStatus, ErrorCode> {
        let request = AlterPartition {
            broker_id: id(broker),
            broker_epoch: self.epoch(broker),
            partitions: vec![change],
        };
        self.ok(&request).remove(0).result
    }

    fn configure(
        &mut self,
        resource: ConfigResource,
        changes: &[(&str, &str)],
    ) -> Result<(), Error> {
        let change = ResourceChange {
            resource,
            changes: changes
                .iter()
                .map(|&(key, value)| ConfigChange {
                    key: key.to_owned(),
                    operation: ConfigOperation::Set,
                    value: Some(value.to_owned()),
                })
                .collect(),
        };
        let request = IncrementalAlterConfigs {
            resources: vec![change],
            validate_only: false,
        };
        self.ok(&request).remove(0).result
    }
}
