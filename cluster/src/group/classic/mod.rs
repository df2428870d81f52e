//! The classic group protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup. The leader of a group
//! assigns. The table of states stands in the doc of the module above.

mod group;
mod invariant;
mod join;
mod member;
mod state;
mod sync;

pub(super) use group::Group;
pub(super) use join::Replacement;
pub(super) use member::Member;
pub use state::State;
pub(super) use sync::Assignment;
