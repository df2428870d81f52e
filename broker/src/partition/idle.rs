//! Partitions in which nothing happens hold little memory and no open file.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Partition;

impl Partition {
    /// Gives back what serves speed alone, where no record was appended or read since the call
    /// before. The next use gets it again. Writes index files: call it off the runtime.
    pub(crate) fn release_if_idle(self: &Arc<Self>) {
        let released = self.with(|state| {
            if std::mem::take(&mut state.is_used) {
                state.is_released = false;
                return Ok(());
            }
            // What is not durable yet is about to be synced; its time comes with the next call.
            let is_synced = state.log.flushed() == state.log.log_end();
            if state.is_released || state.closed.is_some() || !is_synced {
                return Ok(());
            }
            state.is_released = true;
            state.tail.clear();
            if state.above_hw.is_empty() {
                state.above_hw = VecDeque::new();
            }
            if state.log.is_failed() {
                return Ok(());
            }
            state.log.release()
        });
        match released {
            Ok(()) => {}
            // Indexes can be made again; the memory is given back once there is room.
            Err(error) if error.is_full() => {
                self.with(|state| state.is_released = false);
                self.directory().note_full();
            }
            Err(error) => self.directory().fail_because(&error),
        }
    }
}
