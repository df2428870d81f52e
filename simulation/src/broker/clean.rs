//! Compaction of the internal topics.

use std::ops::ControlFlow;
use std::sync::Arc;

use milena_log::cleaner::{self, Job, Run, Settings};
use milena_log::storage::Storage;
use milena_protocol::{Offset, TopicPartition};

use super::{Broker, Partition};

impl Broker {
    /// Compacts every log that has something to compact.
    pub(super) fn clean(&mut self) {
        let names: Vec<TopicPartition> = self
            .partitions
            .iter()
            .filter(|(_, partition)| partition.log.config().cleanup_compact)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            if self.failure.is_some() {
                return;
            }
            let last = self.cleaned.get(&name).copied();
            let now = self.clock.wall();
            let storage: Arc<dyn Storage> = Arc::new(self.storage.clone());
            let Some(partition) = self.partitions.get_mut(&name) else {
                continue;
            };
            match compact(partition, last, now, &storage) {
                Ok(Some(clean_to)) => {
                    self.cleaned.insert(name, clean_to);
                }
                Ok(None) => {}
                Err(error) => self.fail(format!("compact {name}: {error}")),
            }
        }
    }
}

/// Compacts a log. Up to where it is clean then; none where nothing was done.
///
/// # Errors
/// The disk failed.
fn compact(
    partition: &mut Partition,
    last: Option<Offset>,
    now: milena_protocol::Timestamp,
    storage: &Arc<dyn Storage>,
) -> Result<Option<Offset>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let log = &mut partition.log;
    let candidate = cleaner::consider_log(log, last, now).map_err(|error| text(&error))?;
    let Some(candidate) = candidate.filter(|it| it.first_dirty < it.first_uncleanable) else {
        return Ok(None);
    };
    let job = Job::of(log, &candidate, now).map_err(|error| text(&error))?;
    let settings = Settings {
        map_bytes: 1 << 16,
        write_bytes: 1 << 14,
        ..Settings::default()
    };
    let mut goes_on = |_| ControlFlow::Continue(());
    let mut run = match Run::start(Arc::clone(storage), job, settings, &mut goes_on) {
        Ok(run) => run,
        Err(error) if error.is_final() => return Err(text(&error)),
        Err(_) => return Ok(None),
    };
    loop {
        let replacement = match run.next_group(&mut goes_on) {
            Ok(Some(replacement)) => replacement,
            Ok(None) => return Ok(Some(run.clean_to())),
            Err(error) if error.is_final() => return Err(text(&error)),
            Err(_) => return Ok(None),
        };
        match log.replace_segments(replacement.base_offset, &replacement.replaced) {
            Ok(old) => {
                for file in old {
                    // What stays is removed when the log is opened.
                    let _ = storage.remove_file(&file);
                }
            }
            Err(error) if error.is_final() => return Err(text(&error)),
            Err(_) => return Ok(None),
        }
    }
}
