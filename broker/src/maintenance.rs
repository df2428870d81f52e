//! What happens by itself: following the metadata, checkpoints, retention, compaction, space.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use milena_cluster::metadata::{ConfigResource, Image};
use tokio::sync::Notify;
use tracing::{error, warn};

use crate::broker::Broker;
use crate::cleaning;
use crate::clock;
use crate::group::Groups;
use crate::metadata::Published;
use crate::reports;

/// Pause between two looks at the free space of the directories.
const SPACE_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two looks for records that `flush.ms` makes due.
const FLUSH_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two looks for batches in memory that nobody reads.
const TAIL_PAUSE: Duration = Duration::from_secs(10);
/// Bytes that are appended since recovery points were written, from which they are written without
/// waiting for their interval: they are what a restart after a crash has to check, at 1 to 2 GB/s.
const CHECKPOINT_BYTES: u64 = 256 << 20;
/// Pause between two looks whether checkpoints are due; one such pause passes between the resume
/// points and the recovery points that make them count.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(250);

/// A partition in which nothing happens for this long gives back its memory and its open files.
const IDLE_PAUSE: Duration = Duration::from_secs(60);

/// Starts all tasks.
pub(crate) fn spawn(broker: &Arc<Broker>, failures: Arc<Notify>) {
    let values = broker.values();
    let ms = |key: &str| Duration::from_millis(u64::try_from(values.long(key)).unwrap_or(0).max(1));
    let tracker = broker.tracker();
    tracker.spawn(essential(
        broker,
        "following the metadata",
        follow(Arc::clone(broker)),
    ));
    tracker.spawn(watch_directories(Arc::clone(broker), failures));
    tracker.spawn(every(Arc::clone(broker), SPACE_PAUSE, check_room));
    tracker.spawn(every(Arc::clone(broker), FLUSH_PAUSE, flush_due));
    tracker.spawn(every(Arc::clone(broker), TAIL_PAUSE, forget_unread));
    tracker.spawn(Groups::follow_heartbeats(Arc::clone(broker)));
    tracker.spawn(checkpoint(
        Arc::clone(broker),
        ms("log.flush.offset.checkpoint.interval.ms"),
    ));
    tracker.spawn(every(
        Arc::clone(broker),
        ms("log.retention.check.interval.ms"),
        apply_retention,
    ));
    tracker.spawn(every(
        Arc::clone(broker),
        ms("producer.id.expiration.check.interval.ms"),
        expire_producers,
    ));
    tracker.spawn(every(Arc::clone(broker), IDLE_PAUSE, release_idle));
    tracker.spawn(essential(
        broker,
        "compaction",
        cleaning::run(Arc::clone(broker)),
    ));
}

/// Runs blocking work again and again, with a pause between, until the broker stops.
async fn every(broker: Arc<Broker>, pause: Duration, work: fn(&Arc<Broker>)) {
    let stopping = broker.stopping();
    loop {
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let shared = Arc::clone(&broker);
        // What fails on one log must not keep it from all others until the broker is started again.
        let worked = broker
            .blocking(move || catch_unwind(AssertUnwindSafe(|| work(&shared))))
            .await;
        if worked.is_err() {
            error!("background work panicked, it is tried again after its pause");
        }
    }
}

/// Work without which the broker cannot go on: where it ends before the broker stops, as by a panic,
/// the process has to end too.
fn essential(
    broker: &Arc<Broker>,
    name: &'static str,
    work: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    struct Guard(Arc<Broker>, &'static str);
    impl Drop for Guard {
        fn drop(&mut self) {
            if !self.0.stopping().is_cancelled() {
                self.0.note_ended(self.1);
            }
        }
    }
    let guard = Guard(Arc::clone(broker), name);
    async move {
        let _guard = guard;
        work.await;
    }
}

/// Takes over the newest image, and everything that follows from it.
pub(crate) async fn follow_metadata(broker: &Arc<Broker>) {
    let published = broker.controller().log_snapshot();
    take_over(broker, published).await;
}

async fn follow(broker: Arc<Broker>) {
    let stopping = broker.stopping();
    let mut images = broker.controller().subscribe();
    loop {
        let published = images.borrow_and_update().clone();
        take_over(&broker, published).await;
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            changed = images.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

async fn take_over(broker: &Arc<Broker>, published: Published<Image>) {
    let shared = Arc::clone(broker);
    let image = Arc::clone(&published.state);
    let (followed, recordons) = broker
        .blocking(move || {
            let changes = shared.note_image(&image);
            if changes.broker_configs {
                let values = dynamic_values(&shared, &image);
                shared.set_values(values);
            }
            let values = shared.values();
            let cordoned = values.list("cordoned.log.dirs");
            let recordons = shared.replicas().directories().cordon(&cordoned);
            let followed = shared.replicas().follow(&image, &values);
            if changes.broker_configs || changes.topic_configs {
                shared.replicas().configure(&image, &values);
            }
            if changes.quotas {
                shared.quotas().follow(&image);
            }
            (followed, recordons)
        })
        .await;
    let has_opened = followed.has_opened;
    let led = followed.led.clone();
    broker.groups().follow(broker, followed).await;
    // Behind the groups: markers go to their partitions.
    broker.transactions().follow(broker, &led);
    broker.controller().note_taken_over(published.offset);
    // Both come back as images of their own.
    if has_opened {
        reports::assign_directories(broker).await;
    }
    if recordons && let Err(error) = reports::heartbeat(broker).await {
        warn!(%error, "cordoned log directories were not noted");
    }
}

/// The values of the file under those that were changed at run time.
fn dynamic_values(broker: &Broker, image: &Image) -> milena_protocol::config::BrokerValues {
    let of = |resource: &ConfigResource| {
        let configs = image.configs(resource).into_iter().flatten();
        configs
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    };
    broker
        .options()
        .values
        .with_dynamic_default(of(&ConfigResource::default_broker()))
        .with_dynamic_broker(of(&ConfigResource::broker(broker.id())))
}

/// Closes the partitions of directories that fail.
async fn watch_directories(broker: Arc<Broker>, failures: Arc<Notify>) {
    let stopping = broker.stopping();
    loop {
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            () = failures.notified() => {}
        }
        let shared = Arc::clone(&broker);
        broker
            .blocking(move || shared.replicas().close_failed())
            .await;
        // Others may lead what lay there; where there are none it has no leader.
        if let Err(error) = reports::heartbeat(&broker).await {
            warn!(%error, "failed log directories were not noted");
        }
    }
}

fn check_room(broker: &Arc<Broker>) {
    for directory in broker.replicas().directories().iter() {
        if !directory.is_failed()
            && let Err(error) = directory.check_room()
        {
            directory.fail_because(&error);
        }
        directory.remove_due(clock::now());
    }
}

/// Queues the sync of partitions whose oldest unsynced record is older than `flush.ms`.
fn flush_due(broker: &Arc<Broker>) {
    let now = clock::now();
    for partition in broker.replicas().all() {
        partition.sync_if_due(now);
    }
}

fn forget_unread(broker: &Arc<Broker>) {
    for partition in broker.replicas().all() {
        partition.forget_unread();
    }
}

/// Writes checkpoints when their interval ends, and earlier where much was synced meanwhile. One look
/// before, logs are told to make resume points, since only those below a recovery point count.
async fn checkpoint(broker: Arc<Broker>, interval: Duration) {
    let stopping = broker.stopping();
    let mut written_at = clock::instant();
    let mut written_bytes = broker.metrics().appended_bytes();
    let mut has_resume_points = false;
    loop {
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(CHECKPOINT_PAUSE) => {}
        }
        let shared = Arc::clone(&broker);
        if !has_resume_points {
            let bytes = broker.metrics().appended_bytes();
            if written_at.elapsed() < interval && bytes - written_bytes < CHECKPOINT_BYTES {
                continue;
            }
            written_bytes = bytes;
            broker
                .blocking(move || shared.replicas().propose_resume_points())
                .await;
            has_resume_points = true;
            continue;
        }
        written_at = clock::instant();
        has_resume_points = false;
        if broker
            .blocking(move || shared.replicas().checkpoint())
            .await
            .is_err()
        {
            warn!("checkpoints of a log directory were not written");
        }
    }
}

fn apply_retention(broker: &Arc<Broker>) {
    let now = clock::now();
    for partition in broker.replicas().all() {
        partition.apply_retention(now);
    }
}

fn release_idle(broker: &Arc<Broker>) {
    for partition in broker.replicas().all() {
        if broker.stopping().is_cancelled() {
            return;
        }
        partition.release_if_idle();
    }
}

fn expire_producers(broker: &Arc<Broker>) {
    let now = clock::now();
    for partition in broker.replicas().all() {
        let expiration_ms = partition.settings().log.producer_id_expiration_ms;
        partition.with_log(|log| log.producers_mut().expire(now, expiration_ms));
    }
}
