//! One value at an offset, one offset of a value.

use crate::checker::anomaly::{Anomaly, Class};
use crate::checker::index::Index;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Anomaly>) {
    found.extend(index.malformed.iter().cloned());
    for partition in &index.partitions {
        for (offset, values) in &partition.offsets {
            if values.len() > 1 {
                let text = format!("offset {offset} has values {values:?}");
                found.push(partition.anomaly(Class::InconsistentOffsets, text));
            }
        }
        for (value, known) in &partition.values {
            if known.offsets.len() > 1 {
                let text = format!("value {value} is at offsets {:?}", known.offsets);
                found.push(partition.anomaly(Class::Duplicate, text));
            }
        }
    }
}
