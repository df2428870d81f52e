//! Package cluster.

pub mod fetch_session;
pub mod group;
pub mod metadata;
pub mod quota;
pub mod replication;
pub mod transaction;
