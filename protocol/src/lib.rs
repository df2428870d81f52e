//! What crosses the wire or is stored: ids, error codes, frames, messages, record batches, stored
//! record types, configuration definitions.
//!
//! | module | what it holds |
//! |---|---|
//! | [`id`] | newtypes of ids and positions |
//! | [`error_code`] | Kafka's numeric error codes and their class |
//! | [`api`] | every API key: versions that are served, first flexible version |
//! | [`wire`] | primitive types of the wire over borrowed bytes, [`frame`] and [`header`] around them |
//! | [`guard`] | walks a request body before it is decoded, so that no length from outside is trusted |
//! | [`message`] | versions of bodies that kafka-protocol lacks |
//! | [`produce`], [`fetch`] | borrowed codecs of the two hot APIs, with [`topic`] and [`leader`] |
//! | [`batch`] | record batch v2: view, builder, iterator, compression |
//! | [`stored`] | records of internal topics and of the metadata log |
//! | [`config`] | definitions of topic, broker and group configurations |
//! | [`bug`] | faults of the past that tests put back; nothing without the feature `bugs` |
//!
//! Nothing here has a clock, randomness, a thread or I/O. Bytes from outside never reach an
//! index, an assert or an unwrap.
#![deny(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

pub mod api;
pub mod batch;
pub mod bug;
pub mod config;
pub mod error_code;
pub mod fetch;
mod flexible;
pub mod frame;
pub mod guard;
pub mod header;
pub mod id;
pub mod leader;
pub mod message;
pub mod produce;
pub mod stored;
pub mod topic;
pub mod wire;

pub use error_code::ErrorCode;
pub use id::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId,
    Sequence, Timestamp, TopicId, TopicPartition,
};
