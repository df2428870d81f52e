//! Which brokers the controller has heard of lately.

use std::collections::BTreeMap;

use milena_protocol::{BrokerId, Offset, Timestamp};

use super::{Controller, Heartbeat};
use crate::metadata::Image;

/// What the controller knows of a broker and no record says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Session {
    /// When it was heard of last.
    heard: Timestamp,
    /// Offset up to which it has applied the metadata log, as it said last.
    pub(super) metadata_offset: Offset,
    /// End of the metadata log when its controlled shutdown began.
    pub(super) shutdown_offset: Option<Offset>,
}

/// Sessions of brokers. They are not replicated.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(BTreeMap<BrokerId, Session>);

impl Sessions {
    pub(super) fn get(&self, id: BrokerId) -> Option<&Session> {
        self.0.get(&id)
    }

    pub(super) fn is_alive(&self, id: BrokerId, now: Timestamp, timeout_ms: i64) -> bool {
        self.0
            .get(&id)
            .is_some_and(|session| now.ms_since(session.heard) < timeout_ms)
    }

    /// Lowest offset that all active brokers have applied; none where no broker is active.
    pub(super) fn lowest_active_offset(&self, image: &Image) -> Option<Offset> {
        image
            .brokers()
            .filter(|broker| broker.is_active())
            .filter_map(|broker| self.get(broker.id))
            .map(|session| session.metadata_offset)
            .min()
    }
}

impl Controller {
    /// Begins to control: every unfenced broker of the image gets a whole session.
    pub fn activate(&mut self, image: &Image, now: Timestamp) {
        self.sessions = Sessions(
            image
                .brokers()
                .filter(|broker| !broker.fenced)
                .map(|broker| {
                    let session = Session {
                        heard: now,
                        metadata_offset: Offset::NONE,
                        shutdown_offset: broker
                            .in_controlled_shutdown
                            .then_some(image.position().offset),
                    };
                    (broker.id, session)
                })
                .collect(),
        );
    }

    /// Notes a heartbeat that was answered. The image is the one after its records.
    pub fn heard(&mut self, image: &Image, now: Timestamp, heartbeat: &Heartbeat) {
        let Some(broker) = image.broker(heartbeat.broker_id) else {
            self.sessions.0.remove(&heartbeat.broker_id);
            return;
        };
        if broker.epoch != heartbeat.broker_epoch {
            return;
        }
        let former = self
            .sessions
            .get(broker.id)
            .and_then(|session| session.shutdown_offset);
        let shutdown_offset = broker
            .in_controlled_shutdown
            .then(|| former.unwrap_or(image.position().offset));
        let session = Session {
            heard: now,
            metadata_offset: heartbeat.current_metadata_offset,
            shutdown_offset,
        };
        self.sessions.0.insert(broker.id, session);
    }

    /// Forgets the session of a broker that was registered anew, unregistered or fenced.
    pub fn forget(&mut self, id: BrokerId) {
        self.sessions.0.remove(&id);
    }

    /// An unfenced broker that was not heard of for a session. It is to be fenced
    /// ([`FenceBroker`](super::FenceBroker)) before the next one is asked for, so that the effect
    /// of each is seen by the next.
    #[must_use]
    pub fn stale_broker(&self, image: &Image, now: Timestamp) -> Option<BrokerId> {
        image
            .brokers()
            .filter(|broker| !broker.fenced)
            .map(|broker| broker.id)
            .find(|&id| {
                !self
                    .sessions
                    .is_alive(id, now, self.config.broker_session_timeout_ms)
            })
    }
}
