//! The shards of the group coordinator, one per partition of `__consumer_offsets`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};
use milena_cluster::group::{
    Config, ConsumerConfig, Coordinator, Effect, Event, Producer, Request, Token, Topic, TopicView,
    Waiter,
};
use milena_log::Log;
use milena_log::producer_state::Marker;
use milena_log::validate::ValidBatch;
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::stored::group::{ConsumerRecord, GroupMetadata, Record, partition_for};
use milena_protocol::{ErrorCode, Offset, ProducerId, Sequence, Timestamp, TopicPartition};

use super::replay::for_each_record;
use super::{Broker, COMMIT_TIMEOUT_MS, Done, Input, Stored, for_each_batch};
use crate::layout::{self, INTERNAL_PARTITIONS, OFFSETS, PARTITIONS};
use crate::message::Response;

/// What was appended and has not ended, in the order of the log.
#[derive(Debug)]
struct InFlight {
    number: u64,
    written: Written,
    result: Option<Stored>,
}

#[derive(Debug)]
enum Written {
    /// With those of the records that [`Logged`] looks at.
    Records(Token, Vec<Record>),
    Marker {
        producer: ProducerId,
        is_commit: bool,
        job: u64,
    },
}

/// What the committed records of a shard say of its groups.
#[derive(Debug, Default)]
pub(crate) struct Logged {
    /// The last record of every group of the classic protocol.
    pub(crate) classic: BTreeMap<String, GroupMetadata>,
    /// Groups that were removed at some time, perhaps to begin anew.
    pub(crate) removed: BTreeSet<String>,
}

impl Logged {
    const fn looks_at(record: &Record) -> bool {
        matches!(
            record,
            Record::Group { .. }
                | Record::Consumer {
                    record: ConsumerRecord::Metadata(None),
                    ..
                }
        )
    }

    fn note(&mut self, record: &Record) {
        match record {
            Record::Group {
                group,
                metadata: Some(metadata),
            } => {
                self.classic.insert(group.clone(), metadata.clone());
            }
            Record::Group { group, .. } => {
                self.classic.remove(group);
                self.removed.insert(group.clone());
            }
            Record::Consumer {
                group,
                record: ConsumerRecord::Metadata(None),
            } => {
                self.removed.insert(group.clone());
            }
            _ => {}
        }
    }
}

/// One coordinator.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) core: Coordinator,
    pub(crate) logged: Logged,
    incarnation: u64,
    in_flight: VecDeque<InFlight>,
    next_number: u64,
    /// It serves once everything below this offset is committed; none while it serves.
    loading_until: Option<Offset>,
    /// When the tick that is on its way is due.
    tick_at: Option<Timestamp>,
}

impl Shard {
    /// True where it has loaded.
    pub(crate) const fn is_serving(&self) -> bool {
        self.loading_until.is_none()
    }
}

/// Settings that fit a world of a minute.
fn config() -> Config {
    Config {
        initial_rebalance_delay_ms: 100,
        min_session_timeout_ms: 100,
        offsets_retention_check_interval_ms: 10_000,
        consumer: ConsumerConfig {
            session_timeout_ms: 3000,
            heartbeat_interval_ms: Some(300),
            ..ConsumerConfig::default()
        },
        ..Config::default()
    }
}

/// Topics as coordinators know them.
pub(crate) fn topics() -> TopicView {
    let topics = [layout::INPUT, layout::OUTPUT].map(|name| Topic {
        name: name.into(),
        id: layout::topic_id(name),
        racks: vec![Default::default(); usize::try_from(PARTITIONS).unwrap_or(0)],
    });
    TopicView::new(1, topics)
}

/// A coordinator that has read a log of its partition up to `end`.
///
/// # Errors
/// The log holds what no coordinator writes.
pub(crate) fn load(log: &Log, end: Offset) -> Result<Coordinator, String> {
    read(log, end).map(|(core, _)| core)
}

fn read(log: &Log, end: Offset) -> Result<(Coordinator, Logged), String> {
    let mut core = Coordinator::new(config());
    let mut logged = Logged::default();
    for_each_batch(log, (Offset(0), end), &mut |header, batch| {
        if header.attributes.is_control() {
            let marker = Marker::parse(header, batch).map_err(|error| error.to_string())?;
            if let Some(marker) = marker {
                core.apply_marker(marker.producer_id, marker.is_commit);
            }
            return Ok(());
        }
        let producer = if header.attributes.is_transactional() {
            header.producer_id
        } else {
            ProducerId::NONE
        };
        for_each_record(header, batch, &mut |offset, key, value| {
            let record = Record::decode(key, value).map_err(|error| error.to_string())?;
            logged.note(&record);
            core.apply(offset, producer, record);
            Ok(())
        })
    })?;
    Ok((core, logged))
}

fn partition_of(shard: i32) -> TopicPartition {
    layout::partition(OFFSETS, shard)
}

impl Broker {
    pub(super) fn start_groups(&mut self) {
        for shard in 0..INTERNAL_PARTITIONS {
            self.load_group_shard(shard);
        }
    }

    /// The partition of a shard gets a new leadership of the same broker: the coordinator resigns
    /// and loads anew.
    pub(crate) fn reload_group_shard(&mut self, shard: i32) {
        let partition = partition_of(shard);
        let epoch = self.next_leader_epoch(&partition);
        let now = self.clock.wall();
        if let Some(found) = self.partitions.get_mut(&partition) {
            found.lead(epoch, now);
        }
        if let Some(mut resigned) = self.groups.remove(&shard) {
            for batch in std::mem::take(&mut resigned.in_flight) {
                if let Written::Marker { job, .. } = batch.written {
                    self.marker_written(job, &partition, Err(ErrorCode::NotCoordinator));
                }
            }
            let mut effects = Vec::new();
            resigned.core.resign(&mut effects);
            for effect in effects {
                if let Effect::Reply { waiter, response } = effect {
                    self.reply(waiter.0, Response::Group(response));
                }
            }
        }
        self.load_group_shard(shard);
    }

    fn load_group_shard(&mut self, shard: i32) {
        let Some(found) = self.partitions.get(&partition_of(shard)) else {
            return;
        };
        let end = found.log.log_end();
        let (core, logged) = match read(&found.log, end) {
            Ok(loaded) => loaded,
            Err(error) => return self.fail(format!("load shard {shard}: {error}")),
        };
        self.incarnations += 1;
        let loaded = Shard {
            core,
            logged,
            incarnation: self.incarnations,
            in_flight: VecDeque::new(),
            next_number: 0,
            loading_until: Some(end),
            tick_at: None,
        };
        self.groups.insert(shard, loaded);
        self.groups_committed(&partition_of(shard));
    }

    /// The high watermark of a partition has moved: a shard that was read may begin to serve.
    pub(super) fn groups_committed(&mut self, partition: &TopicPartition) {
        if &*partition.topic != OFFSETS {
            return;
        }
        let number = Self::index_of(partition);
        let high_watermark = self
            .partitions
            .get(partition)
            .map_or(Offset(0), |found| found.log.high_watermark());
        let now = self.clock.steady();
        let Some(shard) = self.groups.get_mut(&number) else {
            return;
        };
        if shard.loading_until.is_none_or(|end| high_watermark < end) {
            return;
        }
        shard.loading_until = None;
        // What it has loaded is to be looked at before anything new is stored.
        self.has_changed_groups = true;
        let mut effects = Vec::new();
        let event = Event::TopicsChanged(topics());
        shard.core.step(now, event, &mut effects);
        shard.core.finish_loading(now, &mut effects);
        self.carry_out_group(number, effects);
    }

    pub(super) fn group_request(&mut self, id: u64, group: &str, request: Request) {
        let shard = partition_for(group, INTERNAL_PARTITIONS).0;
        let waiter = Waiter(id);
        self.group_step(shard, Event::Request { waiter, request });
    }

    pub(super) fn group_tick(&mut self, shard: i32) {
        let now = self.clock.steady();
        let Some(found) = self.groups.get_mut(&shard) else {
            return;
        };
        if found.tick_at.is_some_and(|at| at <= now) {
            found.tick_at = None;
        }
        if found.core.next_deadline().is_some_and(|at| at <= now) {
            self.group_step(shard, Event::Tick);
        } else {
            self.schedule_group_tick(shard);
        }
    }

    pub(super) fn group_timeout(&mut self, shard: i32, incarnation: u64, token: Token) {
        let Some(found) = self.groups.get(&shard) else {
            return;
        };
        let waits =
            |batch: &InFlight| matches!(batch.written, Written::Records(it, _) if it == token);
        if found.incarnation == incarnation && found.in_flight.iter().any(waits) {
            self.group_step(shard, Event::TimedOut { token });
        }
    }

    fn group_step(&mut self, shard: i32, event: Event) {
        self.has_asked_coordinators = true;
        self.has_changed_groups |= !matches!(event, Event::Request { .. });
        let now = self.clock.steady();
        let mut effects = Vec::new();
        if let Some(found) = self.groups.get_mut(&shard) {
            found.core.step(now, event, &mut effects);
        }
        self.carry_out_group(shard, effects);
    }

    fn carry_out_group(&mut self, shard: i32, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { waiter, response } => {
                    self.reply(waiter.0, Response::Group(response));
                }
                Effect::Append {
                    token,
                    records,
                    producer,
                } => self.append_of_group(shard, token, &records, producer),
                Effect::Expired(_) => {}
            }
        }
        self.schedule_group_tick(shard);
    }

    fn schedule_group_tick(&mut self, shard: i32) {
        let now = self.clock.steady();
        let Some(found) = self.groups.get_mut(&shard) else {
            return;
        };
        let Some(deadline) = found.core.next_deadline() else {
            return;
        };
        if found.tick_at.is_none_or(|at| deadline < at) {
            found.tick_at = Some(deadline);
            let after_ms = deadline.ms_since(now).max(0);
            self.later(after_ms, Input::GroupTick(shard));
        }
    }

    fn append_of_group(
        &mut self,
        shard: i32,
        token: Token,
        records: &[Record],
        producer: Option<Producer>,
    ) {
        let Some(found) = self.groups.get_mut(&shard) else {
            return;
        };
        let number = found.next_number;
        let incarnation = found.incarnation;
        found.next_number += 1;
        let looked_at = records.iter().filter(|record| Logged::looks_at(record));
        found.in_flight.push_back(InFlight {
            number,
            written: Written::Records(token, looked_at.cloned().collect()),
            result: None,
        });
        let done = Done::Group {
            shard,
            incarnation,
            number,
        };
        let timeout = Input::GroupTimeout {
            shard,
            incarnation,
            token,
        };
        self.later(COMMIT_TIMEOUT_MS, timeout);
        let guard = producer.and_then(|producer| self.guards.remove(&(shard, producer.id)));
        match build(records, producer, self.clock.steady()) {
            Ok(batch) => {
                let batch = match guard {
                    Some(guard) => batch.with_guard(guard),
                    None => batch,
                };
                self.append(&partition_of(shard), batch, done);
            }
            Err(error) => self.ended.push((done, Err(error))),
        }
    }

    /// A marker goes through the queue of the shard, so that its coordinator hears of it in the order
    /// of the log.
    pub(super) fn append_marker_of_group(
        &mut self,
        partition: &TopicPartition,
        batch: ValidBatch,
        marker: &Marker,
        job: u64,
    ) {
        let shard = Self::index_of(partition);
        let found = self.groups.get_mut(&shard);
        let Some(found) = found.filter(|found| found.loading_until.is_none()) else {
            let error = ErrorCode::CoordinatorLoadInProgress;
            return self.marker_written(job, partition, Err(error));
        };
        let (number, incarnation) = (found.next_number, found.incarnation);
        found.next_number += 1;
        found.in_flight.push_back(InFlight {
            number,
            written: Written::Marker {
                producer: marker.producer_id,
                is_commit: marker.is_commit,
                job,
            },
            result: None,
        });
        let done = Done::Group {
            shard,
            incarnation,
            number,
        };
        self.append(partition, batch, done);
    }

    pub(super) fn group_appended(
        &mut self,
        shard: i32,
        incarnation: u64,
        number: u64,
        stored: Stored,
    ) {
        let Some(found) = self.groups.get_mut(&shard) else {
            return;
        };
        if found.incarnation != incarnation {
            return;
        }
        for batch in &mut found.in_flight {
            if batch.number == number {
                batch.result = Some(stored);
            }
        }
        // The coordinator hears of its appends in the order of the log.
        while let Some(found) = self.groups.get_mut(&shard) {
            let is_done = |batch: &mut InFlight| batch.result.is_some();
            let Some(batch) = found.in_flight.pop_front_if(is_done) else {
                return;
            };
            let Some(result) = batch.result else {
                return;
            };
            match batch.written {
                Written::Records(token, records) => {
                    if result.is_ok() {
                        records.iter().for_each(|record| found.logged.note(record));
                    }
                    self.group_step(shard, Event::Appended { token, result })
                }
                Written::Marker {
                    producer,
                    is_commit,
                    job,
                } => {
                    if result.is_ok() {
                        found.core.apply_marker(producer, is_commit);
                    }
                    self.marker_written(job, &partition_of(shard), result);
                }
            }
        }
    }
}

/// Records of a coordinator as one batch.
fn build(
    records: &[Record],
    producer: Option<Producer>,
    now: Timestamp,
) -> Result<ValidBatch, ErrorCode> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    if let Some(producer) = producer {
        builder.set_producer(producer.id, producer.epoch, Sequence::NONE);
        builder.set_transactional();
    }
    for record in records {
        let encoded: (Bytes, Option<Bytes>) =
            record.encode().map_err(|_| ErrorCode::MessageTooLarge)?;
        builder
            .append(now, Some(&encoded.0), encoded.1.as_deref(), [])
            .map_err(|_| ErrorCode::RecordListTooLarge)?;
    }
    ValidBatch::of_broker(BytesMut::from(builder.finish(Offset(0)).as_slice()))
        .map_err(|invalid| invalid.code)
}
