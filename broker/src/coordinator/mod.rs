//! What the shells of coordinators have in common: those of groups and of transactions each run one
//! pure core per partition of an internal topic that this broker leads.
//!
//! - [`Shards`]: which cores are here;
//! - [`read`]: the records of a partition, for a core that is loaded;
//! - [`Waiters`]: who waits for an answer;
//! - [`Schedule`]: until when the task of a core sleeps;
//! - [`SteadyClock`]: the time that a core is told.

pub(crate) mod read;
mod schedule;
mod shards;
mod steady;
mod waiters;

pub(crate) use schedule::Schedule;
pub(crate) use shards::{Coordinates, Shards};
pub(crate) use steady::SteadyClock;
pub(crate) use waiters::Waiters;
