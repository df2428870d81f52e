//! A world in one thread: a broker made of the real cores and the real log, on a disk and a network
//! that fail, with clients as models. One seed is one run, to the last byte.
//!
//! | module | what |
//! |---|---|
//! | `world` | time, events in order, who lives, faults that happen |
//! | `broker` | the logs and cores of a broker, and what its shells do, in plain calls |
//! | `client` | producers, consumers, administrators as models |
//! | [`fault`] | what goes wrong and when, drawn before the run |
//! | `truth` | what clients know for certain: what they sent, what became of it, what they read |
//! | `record` | the same as a history for the checker |
//! | `invariant` | what must hold after every step, after every start and at the end |
//! | [`run`] | one run; a failing one made smaller |
//! | [`checker`] | checks of histories, for this world and for real processes |
//!
//! Nothing here has a clock, a thread or chance but the seed. `cargo run -p milena-simulation --
//! --seeds 1000` runs seeds; one that fails is printed with the command that repeats it.

mod broker;
pub mod checker;
mod client;
pub mod fault;
mod invariant;
mod layout;
mod message;
mod network;
mod queue;
pub mod random;
mod record;
pub mod run;
mod trace;
mod truth;
mod view;
mod world;

#[cfg(test)]
mod tests;
