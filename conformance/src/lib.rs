//! Tests against things this project did not write: stock clients, Kafka's command-line tools,
//! librdkafka's own suite, and frames made by hand.
//!
//! Every test drives one broker through [`broker::Broker`]: the program `milena` of this build, the
//! one that `MILENA_BIN` names, or the broker that already serves at `MILENA_CONFORMANCE_BOOTSTRAP`
//! (so that a test can be proven right on Apache Kafka first). The clients are prepared by
//! `conformance/setup`, and each has a driver under `clients/`, which [`driver`] runs.

pub mod broker;
pub mod budget;
pub mod chaos;
pub mod command;
pub mod driver;
pub mod node;
pub mod partition;
pub mod setup;
pub mod wire;
