//! Package cluster.

pub mod group;
pub mod metadata;
pub mod replication;
