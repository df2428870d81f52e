//! Records that are stored: those of internal topics and of the metadata log.

pub mod group;
pub mod metadata;
pub mod transaction;
