//! Start, stop, checkpoints.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use milena_log::OpenState;
use milena_log::checkpoint::{self, Seal};
use milena_log::handle::Handles;
use milena_log::storage::Storage;
use milena_protocol::{LeaderEpoch, Offset, TopicPartition};

use super::partition::{DIRECTORY, Known};
use super::{Broker, CHECKPOINT_MS, FILES_MAX, Input, Output, Partition};

type Offsets = BTreeMap<TopicPartition, Offset>;

impl Broker {
    /// Opens all logs and begins to serve.
    ///
    /// # Errors
    /// The disk fails, or holds what it must not.
    pub(crate) fn start(&mut self, now: i64) -> Result<Vec<Output>, String> {
        self.clock.advance(now);
        self.clock.restart();
        self.failure = None;
        self.handles = Handles::new(Arc::new(self.storage.clone()), FILES_MAX);
        let directory = Path::new(DIRECTORY);
        let made = self.storage.create_directory(directory);
        made.and_then(|()| self.storage.sync_directory(Path::new("/")))
            .map_err(|error| format!("make {DIRECTORY}: {error}"))?;
        let (recovery_points, is_trusted) = self.read(checkpoint::RECOVERY_POINT)?;
        let (log_starts, _) = self.read(checkpoint::LOG_START_OFFSET)?;
        let (high_watermarks, _) = self.read(checkpoint::REPLICATION_OFFSET)?;
        let layout = Arc::clone(&self.layout);
        for (partition, config) in &layout.partitions {
            let recovery_point = recovery_points.get(partition).filter(|_| is_trusted);
            let known = Known {
                state: OpenState {
                    clean: false,
                    recovery_point: recovery_point.copied().unwrap_or(Offset(0)),
                    log_start: log_starts.get(partition).copied(),
                },
                high_watermark: high_watermarks.get(partition).copied().unwrap_or(Offset(0)),
            };
            let epoch = self.next_leader_epoch(partition);
            let now = self.clock.wall();
            let opened = Partition::open(&self.handles, (partition, config), known, epoch, now)?;
            self.partitions.insert(partition.clone(), opened);
        }
        self.start_groups();
        self.start_transactions();
        self.later(CHECKPOINT_MS, Input::Checkpoint);
        self.cleaned.clear();
        let after_ms = self.random.between(300, 3000);
        self.later(after_ms, Input::Clean);
        self.settle();
        Ok(std::mem::take(&mut self.outputs))
    }

    /// The process is gone; with `loses_power` what was not synced is gone too.
    pub(crate) fn crash(&mut self, loses_power: bool) {
        self.partitions.clear();
        self.groups.clear();
        self.transactions.clear();
        self.verifications.clear();
        self.guards.clear();
        self.jobs.clear();
        self.ended.clear();
        self.outputs.clear();
        if loses_power {
            self.storage.crash();
        }
    }

    pub(super) fn next_leader_epoch(&mut self, partition: &TopicPartition) -> LeaderEpoch {
        let epochs = &mut self.controller.leader_epochs;
        let epoch = epochs.entry(partition.clone()).or_insert(-1);
        *epoch += 1;
        LeaderEpoch(*epoch)
    }

    /// Writes the checkpoints. False where they could not be written.
    pub(super) fn checkpoint(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        for partition in self.partitions.values_mut() {
            if self.random.chance(30) {
                partition.log.want_resume_point();
            }
        }
        let of = |offset: fn(&Partition) -> Offset| -> Offsets {
            let partitions = self.partitions.iter();
            partitions
                .map(|(name, partition)| (name.clone(), offset(partition)))
                .collect()
        };
        let files = [
            (
                checkpoint::RECOVERY_POINT,
                of(|partition| partition.log.flushed()),
            ),
            (
                checkpoint::LOG_START_OFFSET,
                of(|partition| partition.log.log_start()),
            ),
            (
                checkpoint::REPLICATION_OFFSET,
                of(|partition| partition.log.high_watermark()),
            ),
        ];
        for (name, offsets) in files {
            let path = Path::new(DIRECTORY).join(name);
            if let Err(error) = checkpoint::write_offsets(&self.storage, &path, &offsets) {
                if error.kind() != std::io::ErrorKind::StorageFull {
                    self.fail(format!("write {name}: {error}"));
                }
                return false;
            }
        }
        true
    }

    fn read(&self, name: &str) -> Result<(Offsets, bool), String> {
        let path = Path::new(DIRECTORY).join(name);
        match checkpoint::read_offsets(&self.storage, &path) {
            Ok(Some(loaded)) => Ok((loaded.value, loaded.seal != Seal::Differs)),
            Ok(None) => Ok((Offsets::new(), true)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Broker {
    /// A partition of a coordinator is led anew.
    pub(crate) fn new_leadership(
        &mut self,
        now: i64,
        of_transactions: bool,
        shard: i32,
    ) -> Vec<Output> {
        self.clock.advance(now);
        if of_transactions {
            self.reload_transaction_shard(shard);
        } else {
            self.reload_group_shard(shard);
        }
        self.settle();
        std::mem::take(&mut self.outputs)
    }

    /// True where nothing is under way any more.
    pub(crate) fn is_at_rest(&self) -> bool {
        let mut partitions = self.partitions.values();
        let is_stable = |partition: &Partition| {
            !partition.is_behind() && partition.log.last_stable() == partition.log.log_end()
        };
        partitions.all(is_stable)
            && self.open_transactions().is_empty()
            && self.restless_groups().is_empty()
    }

    /// Groups with members that are not stable.
    pub(crate) fn restless_groups(&self) -> Vec<String> {
        let shards = self.groups.values();
        let listed = shards.flat_map(|shard| shard.core.list(&[], &[]).unwrap_or_default());
        listed
            .filter(|group| !["Stable", "Empty", "Dead"].contains(&group.state))
            .map(|group| format!("{} {}", group.group, group.state))
            .collect()
    }

    /// What is still under way.
    pub(crate) fn describe_unrest(&self) -> String {
        let behind: Vec<String> = self
            .partitions
            .iter()
            .filter(|(_, partition)| partition.log.last_stable() < partition.log.log_end())
            .map(|(name, _)| name.to_string())
            .collect();
        let open = self.open_transactions();
        let groups = self.restless_groups();
        format!("not stable: {behind:?}, open: {open:?}, groups: {groups:?}")
    }
}
