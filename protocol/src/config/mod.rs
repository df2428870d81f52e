//! Definitions of configurations: one table per component drives parsing, validation,
//! DescribeConfigs and `docs/configs.md`.
//!
//! | what | where |
//! |---|---|
//! | a row: [`Key`]; a table: [`ConfigDef`] | [`broker()`], [`topic()`], [`group()`], [`client_metrics()`] |
//! | values of one broker in layers | [`BrokerValues`] |
//! | resolved configuration of a topic or group | [`TopicConfig`], [`GroupConfig`] |
//! | an answer to DescribeConfigs | [`Explained`], [`Synonym`], [`Source`] |
//!
//! A value is text until it is used. Whatever is read through [`BrokerValues`], [`TopicConfig`] or
//! [`GroupConfig`] has passed its definition: a text that does not pass is reported by `validate`
//! or `faults` and otherwise treated as if it were not set.

mod broker;
mod broker_values;
mod client_metrics;
mod definition;
mod explain;
mod group;
mod group_config;
mod key;
mod topic;
mod topic_config;
mod validator;
mod value;

#[cfg(test)]
mod document;
#[cfg(test)]
mod tests;

pub use broker::{broker, companions, validate_dynamic};
pub use broker_values::BrokerValues;
pub use client_metrics::client_metrics;
pub use definition::{ConfigDef, Fault};
pub use explain::{Explained, Source, Synonym};
pub use group::group;
pub use group_config::GroupConfig;
pub use key::{DefaultValue, Dynamic, Effect, Importance, Key};
pub use topic::topic;
pub use topic_config::{Durability, TopicConfig, Validation};
pub use validator::Validator;
pub use value::{Type, Value};
