//! Heartbeats of brokers: fencing, unfencing, controlled shutdown.
//!
//! | state | wants | becomes |
//! |---|---|---|
//! | fenced | shutdown | shuts down |
//! | fenced | to be unfenced, has its registration | unfenced |
//! | fenced | otherwise | fenced |
//! | unfenced | fence and shutdown, or shutdown without leading | shuts down |
//! | unfenced | fence | fenced |
//! | unfenced | shutdown while leading | controlled shutdown |
//! | unfenced | otherwise | unfenced |
//! | controlled shutdown | while leading, or others lag behind | controlled shutdown |
//! | controlled shutdown | otherwise | shuts down |
//!
//! A broker that shuts down is fenced.

use milena_protocol::stored::metadata::BrokerRegistrationChange;
use milena_protocol::{BrokerEpoch, BrokerId, ErrorCode, Offset};
use uuid::Uuid;

use super::draft::Turn;
use super::{Draft, Operation};
use crate::metadata::{Broker, Error};

/// A broker says that it is alive (KIP-631).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Id of the broker.
    pub broker_id: BrokerId,
    /// Epoch of the broker.
    pub broker_epoch: BrokerEpoch,
    /// Offset of the last entry of the metadata log that it applied.
    pub current_metadata_offset: Offset,
    /// True where it wants to be fenced.
    pub want_fence: bool,
    /// True where it wants to shut down.
    pub want_shut_down: bool,
    /// Log directories that failed.
    pub offline_log_dirs: Vec<Uuid>,
    /// Log directories that take no new replicas (KIP-1066); none where it does not say.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

/// What the broker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatResponse {
    /// True where it has applied its registration.
    pub is_caught_up: bool,
    /// True where it is fenced.
    pub is_fenced: bool,
    /// True where it is in controlled shutdown.
    pub in_controlled_shutdown: bool,
    /// True where it may stop now.
    pub should_shut_down: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl Operation for Heartbeat {
    /// It touches every partition of the broker, however many there are.
    const IS_BOUNDED: bool = false;

    type Response = HeartbeatResponse;

    fn decide(&self, draft: &mut Draft<'_>) -> Result<HeartbeatResponse, Error> {
        let broker = draft.registered(self.broker_id, self.broker_epoch)?;
        let now = state_of(broker);
        let registered = draft
            .image()
            .registered_at(self.broker_id)
            .unwrap_or(Offset::NONE);
        let is_caught_up = self.current_metadata_offset >= registered;
        let next = self.next_state(draft, now, is_caught_up);
        if next != now {
            match next {
                State::Fenced | State::ShutdownNow => fence(draft, self.broker_id),
                State::Unfenced => unfence(draft, self.broker_id),
                State::ControlledShutdown => begin_shutdown(draft, self.broker_id),
            }
        }
        self.update_directories(draft)?;
        Ok(HeartbeatResponse {
            is_caught_up,
            is_fenced: matches!(next, State::Fenced | State::ShutdownNow),
            in_controlled_shutdown: next == State::ControlledShutdown,
            should_shut_down: next == State::ShutdownNow,
        })
    }
}

const fn state_of(broker: &Broker) -> State {
    if broker.fenced {
        State::Fenced
    } else if broker.in_controlled_shutdown {
        State::ControlledShutdown
    } else {
        State::Unfenced
    }
}

impl Heartbeat {
    fn next_state(&self, draft: &Draft<'_>, now: State, is_caught_up: bool) -> State {
        match now {
            State::Fenced if self.want_shut_down => State::ShutdownNow,
            State::Fenced if !self.want_fence && is_caught_up => State::Unfenced,
            State::Fenced => State::Fenced,
            State::Unfenced if self.want_fence && !self.want_shut_down => State::Fenced,
            State::Unfenced if self.want_shut_down => {
                if !self.want_fence && draft.image().has_leaderships(self.broker_id) {
                    State::ControlledShutdown
                } else {
                    State::ShutdownNow
                }
            }
            State::Unfenced => State::Unfenced,
            State::ControlledShutdown if draft.image().has_leaderships(self.broker_id) => now,
            State::ControlledShutdown => {
                let sessions = &draft.controller().sessions;
                let session = sessions.get(self.broker_id);
                let needed = session.and_then(|session| session.shutdown_offset);
                let lowest = sessions.lowest_active_offset(draft.image());
                // The others have to know the new leaders before this one stops to answer.
                if lowest.is_none_or(|lowest| needed.is_none_or(|needed| needed <= lowest)) {
                    State::ShutdownNow
                } else {
                    now
                }
            }
            State::ShutdownNow => State::ShutdownNow,
        }
    }

    fn update_directories(&self, draft: &mut Draft<'_>) -> Result<(), Error> {
        let level = draft.image().metadata_version();
        if !level.has_directories() {
            return Ok(());
        }
        let broker = draft.registered(self.broker_id, self.broker_epoch)?;
        let known = |dirs: &[Uuid]| {
            let mut dirs: Vec<Uuid> = dirs
                .iter()
                .copied()
                .filter(|id| broker.log_dirs.contains(id))
                .collect();
            dirs.sort_unstable();
            dirs
        };
        let failed = known(&self.offline_log_dirs);
        let online: Vec<Uuid> = broker
            .log_dirs
            .iter()
            .copied()
            .filter(|id| !failed.contains(id))
            .collect();
        let cordoned = self
            .cordoned_log_dirs
            .as_ref()
            .filter(|_| level.has_cordoned_log_dirs())
            .map(|dirs| known(dirs))
            .filter(|dirs| broker.cordoned_log_dirs.as_ref() != Some(dirs));
        let mut change = change_of(broker);
        change.cordoned_log_dirs = cordoned;
        // A broker without a directory halts; until then the list cannot say that it has none.
        if !failed.is_empty() && !online.is_empty() {
            change.log_dirs = online;
        }
        let id = self.broker_id;
        if !failed.is_empty() {
            let turn = Turn {
                leaves: Some(id),
                ..Turn::default()
            };
            draft.update_partitions(turn, |partition| {
                partition
                    .directory(id)
                    .is_some_and(|directory| failed.contains(&directory))
                    && (partition.isr.contains(&id) || partition.leader == Some(id))
            });
        }
        if !change.log_dirs.is_empty() || change.cordoned_log_dirs.is_some() {
            draft.push(change);
        }
        Ok(())
    }
}

fn change_of(broker: &Broker) -> BrokerRegistrationChange {
    BrokerRegistrationChange {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        ..BrokerRegistrationChange::default()
    }
}

fn push_broker_change(
    draft: &mut Draft<'_>,
    id: BrokerId,
    change: impl FnOnce(&mut BrokerRegistrationChange),
) {
    if let Some(broker) = draft.image().broker(id) {
        let mut record = change_of(broker);
        change(&mut record);
        draft.push(record);
    }
}

/// Takes the broker out of all in-sync replicas, then fences it.
fn fence(draft: &mut Draft<'_>, id: BrokerId) {
    let turn = Turn {
        leaves: Some(id),
        ..Turn::default()
    };
    draft.update_partitions(turn, |partition| {
        partition.isr.contains(&id) || partition.leader == Some(id)
    });
    push_broker_change(draft, id, |change| change.fenced = 1);
}

/// Unfences the broker; it leads what has no leader and may be led by it. One that is about to
/// stop leads nothing: it has to register anew.
fn unfence(draft: &mut Draft<'_>, id: BrokerId) {
    push_broker_change(draft, id, |change| change.fenced = -1);
    draft.update_partitions(Turn::default(), |partition| partition.leader.is_none());
}

fn begin_shutdown(draft: &mut Draft<'_>, id: BrokerId) {
    push_broker_change(draft, id, |change| change.in_controlled_shutdown = 1);
    let turn = Turn {
        leaves: Some(id),
        ..Turn::default()
    };
    draft.update_partitions(turn, |partition| {
        partition.isr.contains(&id) || partition.leader == Some(id)
    });
}

/// Fences a broker whose session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FenceBroker {
    /// Id of the broker.
    pub broker_id: BrokerId,
}

impl Operation for FenceBroker {
    /// It touches every partition of the broker, however many there are.
    const IS_BOUNDED: bool = false;

    type Response = ();

    fn decide(&self, draft: &mut Draft<'_>) -> Result<(), Error> {
        match draft.image().broker(self.broker_id) {
            None => Err(Error::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("Broker ID {} is not currently registered", self.broker_id),
            )),
            Some(broker) if broker.fenced => Ok(()),
            Some(_) => {
                fence(draft, self.broker_id);
                Ok(())
            }
        }
    }
}
