//! The rules, one file each.

mod atomic;
mod cycle;
mod dirty;
mod fence;
mod group;
mod lost;
mod offsets;
mod order;

use super::anomaly::Anomaly;
use super::index::Index;

/// Looks at a history and adds what it finds.
type Rule = fn(&Index<'_>, &mut Vec<Anomaly>);

/// All rules.
pub(super) const RULES: &[Rule] = &[
    offsets::check,
    lost::check,
    dirty::check,
    order::check,
    cycle::check,
    atomic::check,
    fence::check,
    group::check,
];
