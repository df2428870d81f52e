//! Runs the cores against sockets, disks and openraft.
#![allow(dead_code, reason = "the modules that use it come next")]

mod import;
mod metadata;
