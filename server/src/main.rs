//! The binary `milena`.
fn main() {}
