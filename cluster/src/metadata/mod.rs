//! Metadata of the cluster: what is known ([`Image`]), how it changed ([`Delta`]) and how a
//! request changes it ([`Controller`]).
//!
//! The metadata log holds records ([`milena_protocol::stored::metadata::Record`]), never
//! commands. [`Controller::decide`] evaluates a request on an image and gives the records;
//! [`Image::apply`] is the only way that an image changes, and cannot fail. Replaying the records
//! gives an equal image with an equal [`Digest`], which is how a log refuses an entry that was
//! evaluated on another state.

mod broker;
mod controller;
mod delta;
mod error;
mod image;
mod quota;
mod resource;
mod topic;

pub use broker::{Broker, ControllerRegistration};
pub use controller::*;
pub use delta::{Change, Delta};
pub use error::Error;
pub use image::{Digest, Image, Position};
pub use quota::{Match, QuotaEntity, QuotaFilter, Quotas};
pub use resource::{ConfigResource, ResourceKind};
pub use topic::{Partition, RecoveryState, Topic, directory};
