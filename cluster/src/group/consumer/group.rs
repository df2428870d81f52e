//! A group of the consumer protocol as its coordinator has it in memory, and one turn of it.
//!
//! # What is stored when
//!
//! Requests of one group are taken one after the other. What they decide is applied to the live
//! state at once and appended; while that append is under way, further requests of the group wait,
//! and are then decided together with one append. So the live state is never more than one append
//! ahead of what is committed: a refused append is undone by going back to the committed state, and
//! no decision ever rests on one that did not come about. Replies leave when the append is
//! committed. Kafka appends each request on its own and lets them overlap; to a client that is the
//! same but for the wait, which is one sync of the log at most.

use std::collections::VecDeque;
use std::sync::Arc;

use milena_protocol::ErrorCode;
use milena_protocol::stored::group::{ConsumerRecord, Record};

use super::draft::{Context, Draft, MemberTimer, Refusal, TimerChange};
use super::request::{ConsumerHeartbeat, ConsumerHeartbeatResult};
use super::state::State;
use crate::group::classic;
use crate::group::event::{ExpiredMember, Token, Waiter};
use crate::group::request::{Join, Request};
use crate::group::response::{Joined, Response, Synced};
use crate::group::timer::Timers;

/// A turn takes no further request when its records have about this many bytes. It is well below
/// what a batch may have, which bounds what one request may write.
const TURN_BYTES_MAX: usize = 256 * 1024;

/// What waits for its turn.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost all that waits are requests"
)]
pub(in crate::group) enum Queued {
    /// A request.
    Request(Waiter, Request),
    /// A timer of a member has ended.
    Ended(MemberTimer, Arc<str>),
}

/// A group.
#[derive(Clone, Debug, Default)]
pub(in crate::group) struct Group {
    /// The committed state with the records of `in_flight`.
    pub(in crate::group) live: State,
    /// As many as there are requests until the append takes too long, and four timers of each
    /// member.
    pub(in crate::group) queue: VecDeque<Queued>,
    /// What requests get since the append under way takes too long.
    pub(in crate::group) refuses: Option<ErrorCode>,
    /// The append that the group waits for.
    pub(in crate::group) in_flight: Option<Token>,
    /// Version of the topics that the group was compared with.
    pub(in crate::group) topics_version: Option<i64>,
}

/// What the group becomes when the records of a turn are committed.
#[derive(Clone, Debug)]
pub(in crate::group) enum Becomes {
    /// What it is.
    Same,
    /// A group of the classic protocol.
    Classic {
        /// The group.
        group: Box<classic::Group>,
        /// True where its members are to join again.
        is_rebalancing: bool,
    },
}

/// What came of a turn.
#[derive(Debug)]
pub(in crate::group) struct Turn {
    pub(in crate::group) records: Vec<Record>,
    /// To be sent when the records are committed.
    pub(in crate::group) replies: Vec<(Waiter, Response)>,
    pub(in crate::group) timers: Vec<(MemberTimer, Arc<str>, TimerChange)>,
    /// Members that are removed since their time has ended.
    pub(in crate::group) expired: Vec<ExpiredMember>,
    pub(in crate::group) becomes: Becomes,
}

impl Group {
    pub(in crate::group) fn new(state: State) -> Self {
        Self {
            live: state,
            ..Self::default()
        }
    }

    /// Takes what waits, as much as goes into one append.
    pub(in crate::group) fn turn(
        &mut self,
        id: &str,
        context: &Context<'_>,
        timers: &Timers,
    ) -> Turn {
        let (seen, present) = (self.topics_version, context.topics.version());
        let mut step = Step {
            draft: Draft::new(id, &mut self.live, seen, present),
            replies: Vec::new(),
            becomes: Becomes::Same,
        };
        let mut bytes = 0;
        let mut weighed = 0;
        while bytes < TURN_BYTES_MAX && matches!(step.becomes, Becomes::Same) {
            let Some(queued) = self.queue.pop_front() else {
                break;
            };
            if let Some(queued) = step.take(context, timers, queued) {
                // It is for what the group becomes.
                self.queue.push_front(queued);
                break;
            }
            let records = &step.draft.records;
            bytes += records.iter().skip(weighed).map(weight).sum::<usize>();
            weighed = records.len();
        }
        let Step {
            draft,
            replies,
            becomes,
        } = step;
        if !draft.is_stale {
            self.topics_version = Some(context.topics.version());
        }
        Turn {
            records: draft.records,
            replies,
            timers: draft.timers,
            expired: draft.expired,
            becomes,
        }
    }

    /// The first turn of a group that is made by a heartbeat, or taken over from the classic
    /// protocol. Nothing has happened where that is refused.
    pub(in crate::group) fn begin(
        id: &str,
        context: &Context<'_>,
        before: Option<&classic::Group>,
        (waiter, request): (Waiter, &ConsumerHeartbeat),
    ) -> Result<(Self, Turn), Refusal> {
        let mut group = Self::default();
        let mut draft = Draft::new(id, &mut group.live, None, context.topics.version());
        match before {
            None => {}
            Some(classic) if classic.is_vacant() => {
                draft.records.push(super::migrate::group_tombstone(id));
            }
            Some(classic) => draft.upgrade(context, classic)?,
        }
        let result = draft.heartbeat(context, request)?;
        let turn = Turn {
            records: draft.records,
            replies: vec![(waiter, Response::ConsumerHeartbeat(result))],
            timers: draft.timers,
            expired: draft.expired,
            becomes: Becomes::Same,
        };
        group.topics_version = Some(context.topics.version());
        Ok((group, turn))
    }
}

/// A turn while it is being decided.
struct Step<'a> {
    draft: Draft<'a>,
    replies: Vec<(Waiter, Response)>,
    becomes: Becomes,
}

impl Step<'_> {
    /// Takes one that has waited; gives back what the group cannot take as what it is.
    fn take(&mut self, context: &Context<'_>, timers: &Timers, queued: Queued) -> Option<Queued> {
        match queued {
            Queued::Ended(timer, member) => {
                self.timer_ended(context, timers, timer, &member);
                None
            }
            Queued::Request(waiter, Request::Join(join))
                if self.draft.state.members().is_empty() =>
            {
                self.remove_empty();
                Some(Queued::Request(waiter, Request::Join(join)))
            }
            Queued::Request(waiter, request) => {
                let response = self.answer(context, request);
                self.replies.push((waiter, response));
                None
            }
        }
    }

    fn answer(&mut self, context: &Context<'_>, request: Request) -> Response {
        match request {
            Request::ConsumerHeartbeat(heartbeat) => {
                Response::ConsumerHeartbeat(self.heartbeat(context, &heartbeat))
            }
            Request::Join(join) => Response::Join(self.join(context, &join)),
            Request::Sync(sync) => Response::Sync(
                self.draft
                    .classic_sync(context, &sync)
                    .unwrap_or_else(|refusal| Synced::refused(refusal.error)),
            ),
            Request::Heartbeat(member) => Response::Heartbeat(
                self.draft
                    .classic_heartbeat(context, &member)
                    .map_or_else(|refusal| refusal.error, |()| ErrorCode::None),
            ),
            Request::Leave(leave) => {
                let left = self.draft.classic_leave(context, leave);
                if left
                    .members
                    .iter()
                    .any(|(_, error)| *error == ErrorCode::None)
                {
                    self.downgrade_if_due(context, true);
                }
                Response::Leave(left)
            }
            // Others are not asked of the group.
            other => other.refused(ErrorCode::UnknownServerError),
        }
    }

    fn heartbeat(
        &mut self,
        context: &Context<'_>,
        request: &ConsumerHeartbeat,
    ) -> ConsumerHeartbeatResult {
        let result = if request.is_leave() {
            let count = self.draft.state.members().len();
            let result = self.draft.leave(context, request);
            if self.draft.state.members().len() < count {
                self.downgrade_if_due(context, true);
            }
            result
        } else {
            self.draft.heartbeat(context, request)
        };
        result.unwrap_or_else(|refusal| {
            ConsumerHeartbeatResult::refused(refusal.error, Some(refusal.message))
        })
    }

    fn join(&mut self, context: &Context<'_>, join: &Join) -> Joined {
        match self.draft.classic_join(context, join) {
            Ok(outcome) => {
                if outcome.is_last_replaced {
                    let is_rebalancing =
                        self.draft.state.assignment_epoch() < self.draft.state.epoch();
                    self.downgrade_if_due(context, is_rebalancing);
                }
                outcome.joined
            }
            Err(refusal) => Joined::refused(join.member_id.as_str(), refusal.error),
        }
    }

    /// A group that nobody of the consumer protocol is in any more goes back to the classic one.
    fn downgrade_if_due(&mut self, context: &Context<'_>, is_rebalancing: bool) {
        if !self.draft.may_downgrade(context) {
            return;
        }
        if let Some(group) = self.draft.downgrade(context) {
            self.becomes = Becomes::Classic {
                group: Box::new(group),
                is_rebalancing,
            };
        }
    }

    /// An empty group makes room for one of the classic protocol.
    fn remove_empty(&mut self) {
        for record in self.draft.state.tombstones() {
            self.draft.put(record);
        }
    }

    fn timer_ended(
        &mut self,
        context: &Context<'_>,
        timers: &Timers,
        timer: MemberTimer,
        member: &Arc<str>,
    ) {
        let is_set_again = timers.is_set(&timer.of(self.draft.id, member))
            || self.draft.timers.iter().any(|(set, of, change)| {
                (*set, of) == (timer, member) && !matches!(change, TimerChange::Cancel)
            });
        let Some(known) = self.draft.state.member(member) else {
            return;
        };
        let is_over = match timer {
            MemberTimer::Rebalance => known.owes_partitions(),
            MemberTimer::Join | MemberTimer::Sync => known.uses_classic_protocol(),
            MemberTimer::Session => true,
        };
        if is_over && !is_set_again {
            self.draft.note_expired(member, timer);
            self.draft.fence(context, &[Arc::clone(member)]);
            self.downgrade_if_due(context, true);
        }
    }
}

/// About how many bytes a record has.
fn weight(record: &Record) -> usize {
    let partitions = |topics: &[milena_protocol::stored::group::TopicPartitions]| {
        let of_topic = |it: &milena_protocol::stored::group::TopicPartitions| {
            24 + 4 * it.partitions.len() + 4 * it.assignment_epochs.len()
        };
        topics.iter().map(of_topic).sum::<usize>()
    };
    let Record::Consumer { group, record } = record else {
        return 1024;
    };
    let value = match record {
        ConsumerRecord::TargetMember(_, Some(topics)) => partitions(topics),
        ConsumerRecord::Current(_, Some(current)) => {
            partitions(&current.assigned) + partitions(&current.pending_revocation)
        }
        ConsumerRecord::Member(_, Some(member)) => {
            let classic = member.classic.iter().flat_map(|it| &it.supported_protocols);
            let classic: usize = classic.map(|(_, metadata)| metadata.len()).sum();
            let names: usize = member.subscribed_topic_names.iter().map(String::len).sum();
            names + classic + 256
        }
        ConsumerRecord::Expression(_, Some(resolved)) => {
            resolved.topics.iter().map(|topic| topic.len() + 1).sum()
        }
        _ => 0,
    };
    group.len() + value + 128
}
