//! Package broker.

mod metadata;
