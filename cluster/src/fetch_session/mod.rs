//! Fetch sessions: which partitions a client fetches, so that it need not repeat them (KIP-227).
//!
//! A client opens a session with a full fetch (epoch 0); the answer names the session. From then on
//! it sends only partitions that it adds, changes or removes, and gets only partitions that have
//! something new.
//!
//! | request: session, epoch | no such session | session |
//! |---|---|---|
//! | any, -1 | fetch without a session | the session is closed, fetch without a session |
//! | any, 0 | a new session, where there is room | the old one is closed, a new one |
//! | id, next epoch | `FETCH_SESSION_ID_NOT_FOUND` | incremental fetch |
//! | id, another epoch | `FETCH_SESSION_ID_NOT_FOUND` | `INVALID_FETCH_SESSION_EPOCH` |
//! | id, next epoch, but topic ids instead of names or the reverse | `FETCH_SESSION_ID_NOT_FOUND` | `FETCH_SESSION_TOPIC_ID_ERROR` |
//!
//! Room is made by closing the session that was not used for longest, if that is longer than two
//! minutes, or else one that is worth less: sessions of consumers are worth less than those of
//! followers, small ones less than large ones. A session that a consumer wants never ends one that
//! is younger than two minutes.
//!
//! The partitions of a session have an order, in which they are read; one that gave records goes to
//! the end, so that none starves where the answer is limited.

mod cache;
mod session;

#[cfg(test)]
mod tests;

pub use cache::{Cache, Closed, Opened, Request, Settings, shard_of};
pub use session::{Answer, Topic, Wanted};
