//! Package cluster.
