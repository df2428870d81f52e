//! Runs the cores against sockets, disks and openraft, speaking the Kafka protocol.
//!
//! | module | one sentence |
//! |---|---|
//! | `net` | Sockets: listeners, connections, admission by memory, how responses leave. |
//! | `api` | One file per Kafka API; the only place that knows API versions. |
//! | `partition` | One hosted partition: log, replication core, who waits for it, group commit. |
//! | `replicas` | All hosted partitions by topic, and how they follow the metadata. |
//! | `controller` | Evaluates requests on the image and has their records committed. |
//! | `metadata` | The metadata log: openraft on a write-ahead file of our own. |
//! | `coordinator` | What the two kinds of coordinators share: shards by partition, loads, timers, waiters. |
//! | `group` | Runs the group coordinators of the partitions that are led here. |
//! | `transaction` | Runs the transaction coordinators, and writes markers. |
//! | `reports` | What this broker tells the controller of itself. |
//! | `maintenance`, `cleaning` | What happens by itself: checkpoints, retention, compaction. |
//! | `told` | Lines of the log that come from outside, and not too often. |
//! | `start`, `embedded` | From a configuration to a broker that serves, and its end. |
//!
//! # The way of a Produce request
//! The connection cuts a frame from its buffer and gives it to `api::start`. The records of each
//! partition are validated where they lie and put into the inbox of the partition; whoever holds its
//! lock writes all of the inbox with one call. The directory's sync thread makes everything durable
//! that has come meanwhile, the high watermark moves, and the connection is woken to send its
//! acknowledgements in the order of the requests.
//!
//! # The way of a Fetch request
//! The partitions of the session are read in order: small and new batches from memory, all else as a
//! span of a segment file that leaves by `sendfile`. Where there is too little, the fetch waits at its
//! partitions for the bytes it lacks, not longer than its deadline.

mod api;
mod broker;
mod cleaning;
mod clock;
mod completion;
mod controller;
mod coordinator;
mod directories;
mod embedded;
mod features;
mod group;
mod image;
mod import;
mod maintenance;
mod metadata;
pub mod metrics;
mod net;
mod options;
mod partition;
mod producer_ids;
mod quotas;
mod replicas;
mod reports;
mod start;
mod told;
mod topics;
mod transaction;

pub use directories::{DirectoryError, format_all, random_id};
pub use embedded::{Embedded, Health};
pub use net::BindError;
pub use options::{Mode, Options, Warnings};
pub use start::StartError;
