//! Quotas: how fast a client may go, and how long it has to wait where it was faster (KIP-13, 124,
//! 219, 546, 599, 612).
//!
//! | quota | key | per | measured | answer |
//! |---|---|---|---|---|
//! | [`ClientQuotas`] of [`Kind::Produce`], [`Kind::Fetch`] | `producer_byte_rate`, `consumer_byte_rate` | user, client id | bytes per second over a window | wait |
//! | [`ClientQuotas`] of [`Kind::Request`] | `request_percentage` | user, client id | percent of one thread's time | wait, at most one sample |
//! | [`MutationQuotas`] | `controller_mutation_rate` | user, client id | partitions per second, token bucket | wait, or refusal |
//! | [`ConnectionRates`] | `connection_creation_rate`, `max.connection.creation.rate` | address, broker | connections per second over a window | wait, or refusal |
//!
//! A window is made of samples. While it is not yet full, the samples that are missing count as
//! empty ones, so that a client that just came is not stopped by its first burst.

mod bucket;
mod client;
mod connection;
mod mutation;
mod rate;
mod sensor;
mod table;

#[cfg(test)]
mod tests;

pub use bucket::TokenBucket;
pub use client::ClientQuotas;
pub use connection::{Admission, ConnectionRates};
pub use mutation::{Exceeded, MutationQuotas};
pub use rate::{Rate, Window};
pub use table::{Client, Kind, Limit, Scope, Table};
