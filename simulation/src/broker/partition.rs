//! One partition of a broker: its log, its replication core, and who waits for the high watermark.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use milena_cluster::replication::{self, Assignment, Positions, Replica, Settings};
use milena_log::error::AppendError;
use milena_log::handle::Handles;
use milena_log::validate::ValidBatch;
use milena_log::{Log, LogConfig, OpenState, Outcome, Partition as Place, SyncTicket};
use milena_protocol::config::Durability;
use milena_protocol::{
    BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, Timestamp, TopicPartition,
};

use super::Done;
use crate::layout;

/// Where the logs lie.
pub(crate) const DIRECTORY: &str = "/log";

/// What an append has come to: the base offset, committed.
pub(crate) type Stored = Result<Offset, ErrorCode>;

/// Who waits for the high watermark.
#[derive(Debug)]
struct Waiting {
    needs: Offset,
    base_offset: Offset,
    done: Done,
}

/// A hosted partition.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) log: Log,
    pub(crate) core: replication::Partition,
    waiting: VecDeque<Waiting>,
    pub(crate) ticket: Option<SyncTicket>,
    /// A sync is on its way.
    pub(crate) is_queued: bool,
}

/// What the checkpoints say of a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) state: OpenState,
    pub(crate) high_watermark: Offset,
}

/// Folder of a partition.
pub(crate) fn folder(partition: &TopicPartition) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{}-{}", partition.topic, partition.partition.0))
}

impl Partition {
    /// Opens the log and takes over the leadership of `epoch`.
    pub(crate) fn open(
        handles: &Arc<Handles>,
        (partition, config): (&TopicPartition, &Arc<LogConfig>),
        known: Known,
        epoch: LeaderEpoch,
        now: Timestamp,
    ) -> Result<Self, String> {
        let place = Place {
            folder: folder(partition),
            topic_partition: partition.clone(),
            topic_id: layout::topic_id(&partition.topic),
        };
        let (handles, config) = (Arc::clone(handles), Arc::clone(config));
        let mut log = Log::open(handles, place, config, known.state, now, &mut |_| {})
            .map_err(|error| format!("open {partition}: {error}"))?;
        if let Some(damage) = log.damage() {
            let (places, state) = (&damage.places, known.state);
            return Err(format!(
                "{partition} is damaged: {places:?}, opened with {state:?}"
            ));
        }
        let high_watermark = known.high_watermark.clamp(log.log_start(), log.log_end());
        log.set_high_watermark(high_watermark);
        let positions = Positions {
            log_start: log.log_start(),
            high_watermark,
            flushed: log.flushed(),
            log_end: log.log_end(),
        };
        let settings = Settings {
            durability: Durability::Persisted,
            min_insync_replicas: 1,
            replica_lag_time_max_ms: 30_000,
        };
        let core = replication::Partition::new(BrokerId(0), settings, positions);
        let mut partition = Self {
            log,
            core,
            waiting: VecDeque::new(),
            ticket: None,
            is_queued: false,
        };
        partition.lead(epoch, now);
        Ok(partition)
    }

    /// Takes over a leadership. What waits for the former one stays: the log is the same.
    pub(crate) fn lead(&mut self, epoch: LeaderEpoch, now: Timestamp) {
        let assignment = Assignment {
            leader: BrokerId(0),
            leader_epoch: epoch,
            partition_epoch: epoch.0,
            replicas: vec![Replica {
                id: BrokerId(0),
                broker_epoch: BrokerEpoch(1),
                is_eligible: true,
            }],
            isr: vec![BrokerId(0)],
        };
        let Ok(transition) = self.core.become_leader(&assignment, now) else {
            return;
        };
        if let Some((epoch, _)) = transition.epoch_start {
            self.log.assign_epoch(epoch);
        }
        if let Some(high_watermark) = transition.high_watermark {
            self.log.set_high_watermark(high_watermark);
        }
    }

    /// Appends a batch. What has ended at once is in the answer.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn append(
        &mut self,
        batch: ValidBatch,
        done: Done,
        now: Timestamp,
        ended: &mut Vec<(Done, Stored)>,
    ) -> Result<(), AppendError> {
        let epoch = self.core.leader_epoch();
        let outcomes = match self.log.append(vec![batch], epoch, now) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                ended.push((done, Err(ErrorCode::KafkaStorageError)));
                return if error.is_final() { Err(error) } else { Ok(()) };
            }
        };
        let Some(outcome) = outcomes.into_iter().next() else {
            ended.push((done, Err(ErrorCode::UnknownServerError)));
            return Ok(());
        };
        let (base_offset, needs) = match outcome {
            Outcome::Appended {
                base_offset,
                last_offset,
                ..
            }
            | Outcome::Duplicate {
                base_offset,
                last_offset,
                ..
            } => (base_offset, last_offset.plus(1)),
            Outcome::Refused(refusal) => {
                ended.push((done, Err(refusal.code)));
                return Ok(());
            }
        };
        if needs <= self.log.high_watermark() {
            ended.push((done, Ok(base_offset)));
        } else {
            self.waiting.push_back(Waiting {
                needs,
                base_offset,
                done,
            });
        }
        if let Some(high_watermark) = self.core.on_local_append(self.log.log_end()) {
            self.advance(high_watermark, ended);
        }
        Ok(())
    }

    /// Begins a sync; false where nothing is to be synced.
    pub(crate) fn begin_sync(&mut self) -> bool {
        self.ticket = self.log.begin_sync();
        self.ticket.is_some()
    }

    /// Does and ends the sync. True where another one has to follow.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn end_sync(&mut self, ended: &mut Vec<(Done, Stored)>) -> Result<bool, String> {
        let Some(ticket) = self.ticket.take() else {
            return Ok(false);
        };
        if let Err(error) = ticket.sync() {
            self.log.fail_sync(ticket);
            return Err(error.to_string());
        }
        let flushed = self.log.finish_sync(ticket);
        if let Some(high_watermark) = self.core.on_local_flushed(flushed) {
            self.advance(high_watermark, ended);
        }
        Ok(self.log.flushed() < self.log.log_end())
    }

    fn advance(&mut self, high_watermark: Offset, ended: &mut Vec<(Done, Stored)>) {
        let reached = self.log.set_high_watermark(high_watermark);
        while let Some(first) = self.waiting.pop_front_if(|first| first.needs <= reached) {
            ended.push((first.done, Ok(first.base_offset)));
        }
    }

    /// Moves the log start (DeleteRecords).
    pub(crate) fn delete_before(&mut self, before: Offset) -> Result<Offset, ErrorCode> {
        let start = self
            .log
            .delete_records_before(before)
            .map_err(|_| ErrorCode::OffsetOutOfRange)?;
        self.core.on_log_start(start);
        Ok(start)
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.log.flushed() < self.log.log_end()
    }
}
