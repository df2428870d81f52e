//! A broker in operation: quotas, moves between log directories, full and failing disks.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod client;
mod disks;
mod failing_disk;
mod log_dirs;
mod many;
mod memory;
mod quotas;
