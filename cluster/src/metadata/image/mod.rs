//! What is known of the cluster at one offset of the metadata log.

mod apply;
mod digest;
mod invariant;
mod snapshot;
mod state;

#[cfg(test)]
mod tests;

pub use digest::Digest;
pub use state::{Image, Position};
