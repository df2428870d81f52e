//! A request under evaluation.

use milena_protocol::stored::metadata::{PartitionChange, Record};
use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode, PartitionIndex, Timestamp};

use super::partition_change::{Election, Proposal};
use super::{Config, Controller, Rules};
use crate::metadata::{Broker, ConfigResource, Error, Image, Partition, Topic};

/// A request under evaluation: the image as its records so far leave it. What stands later in a
/// request sees the effect of what stands before.
pub struct Draft<'a> {
    controller: &'a Controller,
    image: Image,
    now: Timestamp,
    records: Vec<Record>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(controller: &'a Controller, image: &Image, now: Timestamp) -> Self {
        Self {
            controller,
            image: image.clone(),
            now,
            records: Vec::new(),
        }
    }

    pub(super) fn into_records(self) -> Vec<Record> {
        self.records
    }

    /// The image as the records so far leave it.
    #[must_use]
    pub const fn image(&self) -> &Image {
        &self.image
    }

    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) const fn controller(&self) -> &'a Controller {
        self.controller
    }

    pub(super) const fn config(&self) -> &'a Config {
        &self.controller.config
    }

    pub(super) fn rules(&self) -> &'a dyn Rules {
        self.controller.rules.as_ref()
    }

    pub(super) const fn record_count(&self) -> usize {
        self.records.len()
    }

    /// Appends a record. One that cannot be written is kept for the controller to refuse, but is
    /// not applied.
    pub(super) fn push(&mut self, record: impl Into<Record>) {
        let record = record.into();
        let mut bytes = bytes::BytesMut::new();
        if record
            .encode_version(record.latest_version(), &mut bytes)
            .is_ok()
        {
            self.image.apply(&record);
        }
        self.records.push(record);
    }

    /// Drops all records, for a request that only validates.
    pub(super) fn drop_records(&mut self) {
        self.records.clear();
    }

    /// The registration of a broker with this epoch.
    pub(super) fn registered(&self, id: BrokerId, epoch: BrokerEpoch) -> Result<&Broker, Error> {
        match self.image.broker(id) {
            None => Err(Error::new(
                ErrorCode::StaleBrokerEpoch,
                format!("No broker registration found for broker id {id}"),
            )),
            Some(broker) if broker.epoch != epoch => Err(Error::new(
                ErrorCode::StaleBrokerEpoch,
                format!(
                    "Expected broker epoch {}, but got broker epoch {epoch}",
                    broker.epoch
                ),
            )),
            Some(broker) => Ok(broker),
        }
    }

    /// Value of a topic's configuration: of the topic, of this node, of all brokers; none where
    /// only the configuration file has it.
    fn topic_config(&self, topic: &str, key: &str) -> Option<&str> {
        [
            ConfigResource::topic(topic),
            ConfigResource::broker(self.config().node_id),
            ConfigResource::default_broker(),
        ]
        .iter()
        .find_map(|resource| self.image.config(resource, key))
        .map(AsRef::as_ref)
    }

    /// In-sync replicas that the topic needs, at most its replicas.
    pub(super) fn min_isr(&self, topic: &Topic) -> usize {
        let configured = self
            .topic_config(&topic.name, "min.insync.replicas")
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(self.config().min_insync_replicas);
        usize::try_from(configured)
            .unwrap_or(1)
            .min(topic.replication_factor())
    }

    /// True where a replica that is not in sync may lead the topic.
    pub(super) fn allows_unclean_election(&self, topic: &str) -> bool {
        match self.topic_config(topic, "unclean.leader.election.enable") {
            Some(value) => value.trim().eq_ignore_ascii_case("true"),
            None => self.config().unclean_leader_election_enable,
        }
    }

    /// A change of a partition to be built. Active brokers may lead; the election is online, or
    /// unclean where the topic allows that.
    pub(super) fn proposal<'b>(
        &'b self,
        topic: &Topic,
        index: PartitionIndex,
        partition: &'b Partition,
    ) -> Proposal<'b> {
        let mut proposal = Proposal::new(
            &self.image,
            (topic.id, index),
            partition,
            self.min_isr(topic),
        );
        if self.allows_unclean_election(&topic.name) {
            proposal.election = Election::Unclean;
        }
        proposal
    }

    pub(super) fn push_change(&mut self, change: Option<PartitionChange>) -> bool {
        let Some(change) = change else {
            return false;
        };
        self.push(change);
        true
    }

    /// Changes the partitions for which `concerns` holds, after a broker came or where one leaves.
    pub(super) fn update_partitions(&mut self, turn: Turn, concerns: impl Fn(&Partition) -> bool) {
        let concerned: Vec<_> = self
            .image
            .partitions()
            .filter(|(_, _, partition)| concerns(partition))
            .map(|(topic, index, partition)| (topic.clone(), index, partition.clone()))
            .collect();
        for (topic, index, partition) in concerned {
            let mut proposal = self.proposal(&topic, index, &partition);
            proposal.turn = turn;
            proposal
                .isr
                .retain(|&member| Some(member) != turn.leaves && Some(member) != turn.unclean);
            let change = proposal.build();
            self.push_change(change);
        }
    }
}

/// A broker that leaves while the image still says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// It may not lead and is not in sync any more.
    pub(super) leaves: Option<BrokerId>,
    /// It may have lost records: it may not lead, is not in sync and not eligible.
    pub(super) unclean: Option<BrokerId>,
}
