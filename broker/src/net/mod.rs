//! Sockets: listeners, connections, admission, and how responses leave.

mod admission;
mod connection;
mod listener;
mod response;
mod send;

pub(crate) use admission::{Admission, Grant};
pub(crate) use connection::Peer;
pub use listener::BindError;
pub(crate) use listener::{AcceptLimits, Connections, Listener};
pub(crate) use response::{Piece, Response};
