//! A world in one thread: brokers made of the real cores and the real log, on disks and networks that
//! fail, with clients as models. One seed is one run, to the last byte.
//!
//! Nothing here has a clock, a thread or chance but the seed.

pub mod checker;
pub mod random;
