//! Package conformance.
