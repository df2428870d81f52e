//! `log start <= last stable <= high watermark <= log end`; within a leadership nothing goes back,
//! and across crashes neither the high watermark nor a log start that was answered.

use std::collections::BTreeMap;

use milena_protocol::{LeaderEpoch, Offset, TopicPartition};

use super::Memory;
use crate::broker::Broker;

/// Positions as they were seen last.
pub(super) type Seen = BTreeMap<TopicPartition, (LeaderEpoch, Offset, Offset)>;

pub(super) fn check(broker: &Broker, memory: &mut Memory) -> Result<(), String> {
    for (name, partition) in &broker.partitions {
        let log = &partition.log;
        let (start, stable) = (log.log_start(), log.last_stable());
        let (high_watermark, end) = (log.high_watermark(), log.log_end());
        if !(start <= stable && stable <= high_watermark && high_watermark <= end) {
            return Err(format!(
                "{name}: start {start}, last stable {stable}, high watermark {high_watermark}, end {end}"
            ));
        }
        if log.flushed() < high_watermark {
            return Err(format!(
                "{name}: high watermark {high_watermark} above what is durable, {}",
                log.flushed()
            ));
        }
        let epoch = partition.core.leader_epoch();
        let now = (epoch, high_watermark, stable);
        if let Some(before) = memory.seen.insert(name.clone(), now) {
            let went_back = epoch < before.0 || high_watermark < before.1;
            if went_back || (epoch == before.0 && stable < before.2) {
                return Err(format!(
                    "{name}: positions went back: {before:?}, now {now:?}"
                ));
            }
        }
    }
    Ok(())
}
