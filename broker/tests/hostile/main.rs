//! Any bytes on the port: the connection is answered with the protocol's error or closed, the
//! broker goes on, its memory stays bounded.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod batch;
/// Bodies of every request.
#[path = "../../../protocol/tests/hostile/request.rs"]
pub mod body;
mod connection;
mod disk;
mod memory;
#[path = "../../../protocol/tests/hostile/mutate.rs"]
pub mod mutate;
mod request;
mod server;
mod valid;
