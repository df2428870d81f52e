//! What happens to a coordinator, and what it wants done.

use std::sync::Arc;

use milena_protocol::stored::group::Record;
use milena_protocol::{ErrorCode, Offset};

use super::consumer::{ConsumerConfig, GroupConfig};
use super::request::{DeletedTopic, Producer, Request};
use super::response::Response;
use super::topics::TopicView;

/// Names a request that waits for its answer; the caller chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiter(pub u64);

/// Names an append that is under way; counted up by the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// What happens to a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client asks.
    Request {
        /// Who gets the answer.
        waiter: Waiter,
        /// What is asked.
        request: Request,
    },
    /// An [`Effect::Append`] has come to its end. Those that went well come in the order of the
    /// log.
    Appended {
        /// Which one.
        token: Token,
        /// Offset of the first record, which is committed; or why the records are certainly not in
        /// the log.
        result: Result<Offset, ErrorCode>,
    },
    /// `offsets.commit.timeout.ms` has passed since an [`Effect::Append`]. Who waits for it gets
    /// an error; its [`Event::Appended`] still comes.
    TimedOut {
        /// Which one.
        token: Token,
    },
    /// [`Coordinator::next_deadline`](super::Coordinator::next_deadline) has come.
    Tick,
    /// Topics were deleted from the cluster.
    TopicsDeleted(Vec<DeletedTopic>),
    /// The topics of the cluster, at first and whenever they have changed. It is taken while the
    /// coordinator loads too: groups of the consumer protocol are not served before.
    TopicsChanged(TopicView),
    /// The settings of one group, at first and whenever they have changed. It is taken while the
    /// coordinator loads too.
    GroupConfigChanged {
        /// Id of the group; it need not exist.
        group: String,
        /// What is set.
        config: GroupConfig,
    },
    /// The settings of the broker for groups of the consumer protocol have changed.
    ConsumerConfigChanged(ConsumerConfig),
    /// About once a second: how busy the broker is.
    HeartbeatRate {
        /// ConsumerGroupHeartbeats that the whole broker has answered in the last second.
        per_second: u32,
    },
}

/// What a coordinator wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Append the records as one batch with acks=all, then feed [`Event::Appended`].
    Append {
        /// Name of the append.
        token: Token,
        /// The records; at least one. They are moved into the state when no copy is left.
        records: Arc<Vec<Record>>,
        /// The transaction that the batch is part of.
        producer: Option<Producer>,
    },
    /// Answer a request.
    Reply {
        /// Which one.
        waiter: Waiter,
        /// The answer.
        response: Response,
    },
    /// Tell whoever runs the broker: nobody has asked for this.
    Expired(ExpiredMember),
}

/// A member that its group has removed, since it was not heard of in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredMember {
    /// Id of the group.
    pub group: String,
    /// Id of the member.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// Client id, as the member gave it.
    pub client_id: String,
    /// Which time it had, in words, such as `session`.
    pub timeout: &'static str,
}

/// What of a request has to be stored, and its answer once it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<R> {
    /// The records, to be appended as one batch; empty where nothing changes.
    pub records: Vec<Record>,
    /// The answer.
    pub response: R,
}
