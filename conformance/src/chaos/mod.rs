//! Real processes and real faults: a broker with stock clients that send, transform and read, all of
//! which are killed and stopped by a plan that follows from a seed. The clients record what they did
//! (`clients/confluent_kafka/chaos.py`, `clients/java/Chaos.java`), and the checker of the simulation
//! judges it.

mod client;
mod plan;
mod run;
mod topic;

pub use plan::{Fault, Plan};
pub use run::{Report, run};

/// How many clients a run has.
pub const CLIENTS: usize = client::ROSTER.len();
