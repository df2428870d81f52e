//! Connections between clients and the broker: what is sent on one arrives in order, late or never.

use std::collections::BTreeMap;

use crate::random::Random;

/// Longest delay of a message where nothing is wrong, in milliseconds.
const DELAY_MS: i64 = 3;

#[derive(Debug, Default)]
struct Connection {
    /// When the last message to the broker arrives, and the last one to the client.
    arrivals: [i64; 2],
    is_broken: bool,
    /// The broker of it is gone: what was under way arrives nowhere.
    is_reset: bool,
}

/// The network.
#[derive(Debug)]
pub(crate) struct Network {
    random: Random,
    connections: BTreeMap<(usize, u64), Connection>,
    /// Number of the current connection of each client.
    current: BTreeMap<usize, u64>,
    pub(crate) loss_percent: u64,
    pub(crate) delay_ms: i64,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToBroker,
    ToClient,
}

impl Network {
    pub(crate) const fn new(random: Random) -> Self {
        Self {
            random,
            connections: BTreeMap::new(),
            current: BTreeMap::new(),
            loss_percent: 0,
            delay_ms: DELAY_MS,
        }
    }

    /// Everything works from now on.
    pub(crate) fn heal(&mut self) {
        self.loss_percent = 0;
        self.delay_ms = DELAY_MS;
    }

    /// The connection that a client uses now on one of its wires.
    pub(crate) fn connection(&self, wire: usize) -> u64 {
        self.current.get(&wire).copied().unwrap_or(0)
    }

    /// The client gives its connection up. What is under way on it may still arrive.
    pub(crate) fn reconnect(&mut self, wire: usize) {
        *self.current.entry(wire).or_insert(0) += 1;
    }

    /// True where what was under way on a connection arrives nowhere.
    pub(crate) fn is_reset(&self, wire: usize, connection: u64) -> bool {
        let connection = self.connections.get(&(wire, connection));
        connection.is_some_and(|connection| connection.is_reset)
    }

    /// The broker is gone: nothing that is sent on an open connection arrives.
    pub(crate) fn break_all(&mut self) {
        for connection in self.connections.values_mut() {
            connection.is_broken = true;
            connection.is_reset = true;
        }
    }

    /// When a message that is sent at `now` arrives; none where it never does.
    pub(crate) fn send(&mut self, wire: usize, connection: u64, way: Way, now: i64) -> Option<i64> {
        let delay = self.random.between(0, self.delay_ms);
        let is_lost = self.random.chance(self.loss_percent);
        let entry = self.connections.entry((wire, connection)).or_default();
        entry.is_broken |= is_lost;
        if entry.is_broken {
            return None;
        }
        let arrival = &mut entry.arrivals[usize::from(way == Way::ToClient)];
        *arrival = (*arrival).max(now + delay);
        Some(*arrival)
    }
}
