//! Package cluster.

pub mod group;
