//! Compaction in the background: one log at a time, the dirtiest first.
//!
//! What was cleaned stands in the cleaner checkpoint of each directory (Kafka's
//! `cleaner-offset-checkpoint`).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use milena_log::checkpoint;
use milena_log::cleaner::{self, Candidate, Error, Job, Phase, Progress, Run, Settings};
use milena_protocol::{Offset, Timestamp, TopicId, TopicPartition};
use tracing::{info, warn};

use crate::broker::Broker;
use crate::clock;
use crate::partition::Partition;

/// Pause between two lines about a long compaction.
const PROGRESS_PAUSE: Duration = Duration::from_secs(10);

type Offsets = BTreeMap<TopicPartition, Offset>;

/// Up to where the logs are compacted.
#[derive(Debug, Default)]
struct Cleaned {
    /// What the checkpoints of the directories hold.
    files: BTreeMap<PathBuf, Offsets>,
    /// The topics of the partitions: one that was made again is another log.
    topics: BTreeMap<TopicPartition, TopicId>,
    /// Logs that could not be compacted, and how far they reached. They are left alone until they
    /// have grown. Nothing of this is written: a part that counts as compacted gives up its
    /// tombstones, and what they delete must be gone by then.
    set_aside: BTreeMap<TopicPartition, Offset>,
}

/// Compacts logs that are due, until the broker stops.
pub(crate) async fn run(broker: Arc<Broker>) {
    let stopping = broker.stopping();
    let cleaned = Arc::new(Mutex::new(Cleaned::default()));
    loop {
        let values = broker.values();
        let pause = u64::try_from(values.long("log.cleaner.backoff.ms"))
            .unwrap_or(0)
            .max(1);
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
        if !values.boolean("log.cleaner.enable") {
            continue;
        }
        // Until nothing is due any more.
        loop {
            let (shared, state) = (Arc::clone(&broker), Arc::clone(&cleaned));
            let did = broker
                .blocking(move || {
                    clean_one(
                        &shared,
                        &mut state.lock().unwrap_or_else(PoisonError::into_inner),
                    )
                })
                .await;
            if !did || stopping.is_cancelled() {
                break;
            }
        }
    }
}

/// Compacts the dirtiest log. False where none is due.
fn clean_one(broker: &Arc<Broker>, cleaned: &mut Cleaned) -> bool {
    let now = clock::now();
    let partitions = broker.replicas().all();
    cleaned.follow(&partitions);
    let candidates = partitions.iter().filter_map(|partition| {
        if !partition.settings().log.cleanup_compact || is_gone(partition) {
            return None;
        }
        let last = cleaned.last(partition);
        let candidate = partition.with_log(|log| cleaner::consider_log(log, last, now));
        match candidate {
            Ok(candidate) => Some((partition, candidate?))
                .filter(|(partition, candidate)| !cleaned.is_set_aside(partition, candidate)),
            Err(error) => {
                partition.directory().fail_because(&error);
                None
            }
        }
    });
    let Some((partition, candidate)) = cleaner::choose(candidates) else {
        return false;
    };
    match compact(broker, partition, &candidate, now) {
        Ok(clean_to) => {
            cleaned.note(partition, clean_to);
            true
        }
        // Said where it happened; the next pause comes first.
        Err(Error::Stopped) => false,
        Err(error) => {
            warn!(partition = %partition.topic_partition(), %error, "log was not compacted");
            // The others are not kept waiting.
            let until = candidate.first_uncleanable;
            cleaned
                .set_aside
                .insert(partition.topic_partition().clone(), until);
            true
        }
    }
}

fn compact(
    broker: &Arc<Broker>,
    partition: &Arc<Partition>,
    candidate: &Candidate,
    now: Timestamp,
) -> Result<Offset, Error> {
    let name = partition.topic_partition();
    let job = partition
        .with_log(|log| Job::of(log, candidate, now))
        .map_err(|error| {
            warn!(partition = %name, %error, "log cannot be compacted");
            Error::Stopped
        })?;
    let folder = job.folder.clone();
    let mut throttle = Throttle::new(broker, partition);
    let mut progress = |progress| throttle.tell(progress);
    let storage = Arc::clone(partition.directory().storage());
    let mut run = Run::start(storage, job, settings(broker), &mut progress)?;
    let delay_ms = partition.settings().log.file_delete_delay_ms;
    while let Some(replacement) = run.next_group(&mut progress)? {
        let swapped = partition.with_log(|log| {
            // The replica has moved: what was written belongs to the log that it had.
            if log.directory() != folder {
                return None;
            }
            Some(log.replace_segments(replacement.base_offset, &replacement.replaced))
        });
        match swapped.ok_or(Error::Stopped)? {
            Ok(old) => {
                partition.forget_recent();
                partition
                    .directory()
                    .doom(old, clock::now().plus_ms(delay_ms));
            }
            Err(error) => {
                if error.is_final() {
                    partition.directory().fail_because(&error);
                }
                warn!(partition = %name, %error, "compacted segments were not taken");
                return Err(Error::Stopped);
            }
        }
    }
    let stats = run.stats();
    info!(
        partition = %name,
        read_bytes = stats.read_bytes,
        written_bytes = stats.written_bytes,
        keys = stats.keys,
        "log is compacted"
    );
    Ok(run.clean_to())
}

/// True where a partition is not compacted, for now or for good.
fn is_gone(partition: &Arc<Partition>) -> bool {
    partition.closed().is_some() || partition.relocation().is_some()
}

fn settings(broker: &Broker) -> Settings {
    let values = broker.values();
    let threads = usize::try_from(values.int("log.cleaner.threads"))
        .unwrap_or(1)
        .max(1);
    let bytes = usize::try_from(values.long("log.cleaner.dedupe.buffer.size")).unwrap_or(0);
    Settings {
        map_bytes: bytes / threads,
        map_load_factor: values.double("log.cleaner.io.buffer.load.factor"),
        write_bytes: values.size("log.cleaner.io.buffer.size").max(64 * 1024),
        seed: broker.seed(),
        ..Settings::default()
    }
}

/// Says how far a run is, ends it when the broker stops, and keeps it below
/// `log.cleaner.io.max.bytes.per.second`.
struct Throttle<'a> {
    broker: &'a Arc<Broker>,
    partition: &'a Arc<Partition>,
    started: Instant,
    said: Instant,
    bytes_per_second: f64,
}

impl<'a> Throttle<'a> {
    fn new(broker: &'a Arc<Broker>, partition: &'a Arc<Partition>) -> Self {
        let now = clock::instant();
        let bytes_per_second = broker
            .values()
            .double("log.cleaner.io.max.bytes.per.second");
        Self {
            broker,
            partition,
            started: now,
            said: now,
            bytes_per_second,
        }
    }

    fn tell(&mut self, progress: Progress) -> ControlFlow<()> {
        if self.broker.stopping().is_cancelled() || is_gone(self.partition) {
            return ControlFlow::Break(());
        }
        if self.said.elapsed() >= PROGRESS_PAUSE {
            self.said = clock::instant();
            let phase = match progress.phase {
                Phase::Map => "reading keys",
                Phase::Clean => "copying",
            };
            info!(
                partition = %self.partition.topic_partition(),
                phase,
                read_mib = progress.read_bytes >> 20,
                total_mib = progress.total_bytes >> 20,
                "compacting"
            );
        }
        let bytes = (progress.read_bytes + progress.written_bytes) as f64;
        let due = Duration::try_from_secs_f64(bytes / self.bytes_per_second).unwrap_or_default();
        if let Some(early) = due.checked_sub(self.started.elapsed()) {
            std::thread::park_timeout(early.min(Duration::from_secs(1)));
        }
        ControlFlow::Continue(())
    }
}

impl Cleaned {
    /// Forgets logs that are gone, also those in whose place there is a new one.
    fn follow(&mut self, partitions: &[Arc<Partition>]) {
        let hosted: BTreeMap<_, _> = partitions
            .iter()
            .map(|partition| (partition.topic_partition(), partition.topic_id()))
            .collect();
        let (files, set_aside) = (&mut self.files, &mut self.set_aside);
        self.topics.retain(|name, id| {
            let stays = hosted.get(name) == Some(id);
            if !stays {
                set_aside.remove(name);
                for offsets in files.values_mut() {
                    offsets.remove(name);
                }
            }
            stays
        });
        for (name, id) in hosted {
            if !self.topics.contains_key(name) {
                self.topics.insert(name.clone(), id);
            }
        }
        let topics = &self.topics;
        for offsets in files.values_mut() {
            offsets.retain(|name, _| topics.contains_key(name));
        }
    }

    fn is_set_aside(&self, partition: &Partition, candidate: &Candidate) -> bool {
        let reached = self.set_aside.get(partition.topic_partition());
        reached.is_some_and(|reached| candidate.first_uncleanable <= *reached)
    }

    /// Up to where a log was compacted, none where it never was.
    fn last(&mut self, partition: &Partition) -> Option<Offset> {
        self.of(partition).get(partition.topic_partition()).copied()
    }

    fn of(&mut self, partition: &Partition) -> &mut Offsets {
        let directory = partition.directory();
        let path = directory.path().join(checkpoint::CLEANER_OFFSET);
        self.files.entry(path).or_insert_with_key(|path| {
            match checkpoint::read_offsets(&**directory.storage(), path) {
                Ok(loaded) => loaded.map(|loaded| loaded.value).unwrap_or_default(),
                Err(error) => {
                    warn!(path = %path.display(), %error, "logs are compacted from their start");
                    Offsets::new()
                }
            }
        })
    }

    fn note(&mut self, partition: &Partition, clean_to: Offset) {
        let directory = partition.directory();
        self.set_aside.remove(partition.topic_partition());
        self.of(partition)
            .insert(partition.topic_partition().clone(), clean_to);
        let offsets = self.of(partition).clone();
        let path = directory.path().join(checkpoint::CLEANER_OFFSET);
        if let Err(error) = checkpoint::write_offsets(&**directory.storage(), &path, &offsets) {
            directory.note_unwritten(&error);
        }
    }
}
