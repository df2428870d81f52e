//! The APIs of the broker as a client sees them: every version of each, and the answers that Apache
//! Kafka 4.3.1 gives to the same requests, above all where something is asked for that is not right.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod client;
mod cluster;
mod configs;
mod consumer_groups;
mod fetch;
mod records;
mod topics;
mod transactions;
mod versions;
