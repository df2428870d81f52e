//! The metadata log: records of topics, partitions, brokers, configurations and so on, replicated
//! among the controllers, and the state that replaying them gives.
//!
//! | module | what it holds |
//! |---|---|
//! | [`proposal`] | [`MetadataLog`], what is proposed to it and what it answers |
//! | [`replayed`] | [`Replayed`], the state that records are applied to |
//! | [`status`] | what DescribeQuorum reports |
//! | [`replica`] | who takes part: keys and addresses of voters |
//! | [`options`] | directory, identity, limits |
//! | `raft_*` | the one implementation, by openraft: its storage, state machine and network |
//!
//! Entries are records, never commands. Each carries the digest of the state it was evaluated on,
//! and applying it does nothing where the state has moved since: that one comparison makes
//! repeated, reordered and unknown proposals harmless, and changes of leadership too. Raft's words
//! (term, index, vote) stay within the files `raft_*`; everything else has epochs and offsets.

pub(crate) mod options;
pub(crate) mod proposal;
mod raft_codec;
mod raft_config;
mod raft_log;
mod raft_metadata_log;
pub(crate) mod raft_network;
mod raft_snapshot;
mod raft_state_machine;
pub(crate) mod replayed;
pub(crate) mod replica;
pub(crate) mod status;
#[cfg(test)]
mod tests;

pub(crate) use options::{FOLDER, Limits, Options};
pub(crate) use proposal::{Entry, MetadataLog, Pending, ProposeError, Published};
pub(crate) use raft_metadata_log::RaftMetadataLog;
pub(crate) use replayed::{Position, Replayed, Undecodable};
pub(crate) use replica::{Listener, Replica, ReplicaKey};
pub(crate) use status::{ReplicaStatus, Status};
