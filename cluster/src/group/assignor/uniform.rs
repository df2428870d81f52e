//! The uniform assignor: one way for members with the same subscription, another for all else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Assignment, GroupSpec, uniform_heterogeneous, uniform_homogeneous};

pub(super) fn assign(spec: &GroupSpec) -> BTreeMap<Arc<str>, Assignment> {
    if spec.is_homogeneous {
        uniform_homogeneous::assign(spec)
    } else {
        uniform_heterogeneous::assign(spec)
    }
}
