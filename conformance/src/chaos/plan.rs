//! Which faults come when.

use std::time::Duration;

use milena_simulation::random::Random;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A client ends at once and comes back after a while, as another process with its ids.
    KillClient {
        /// Place in the roster.
        client: usize,
        /// How long it is away.
        away: Duration,
    },
    /// A client stands still for a while.
    PauseClient {
        /// Place in the roster.
        client: usize,
        /// How long.
        pause: Duration,
    },
    /// A client stands still, another takes its place, and the first one wakes up again.
    Hijack {
        /// Place in the roster.
        client: usize,
        /// How long the first one stands still.
        pause: Duration,
    },
    /// The broker ends at once.
    KillBroker {
        /// How long it is away.
        away: Duration,
    },
    /// The broker stands still.
    PauseBroker {
        /// How long.
        pause: Duration,
    },
    /// The broker is asked to stop.
    StopBroker {
        /// How long it is away.
        away: Duration,
    },
}

/// All faults of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// When, since the start, in this order.
    pub faults: Vec<(Duration, Fault)>,
    /// Length of the run, before the last reads.
    pub length: Duration,
    /// What the plan follows from.
    pub seed: u64,
}

/// Quiet at the start, until the clients have begun, and at the end.
const QUIET: Duration = Duration::from_secs(8);

impl Plan {
    /// The plan of a seed for this many clients.
    #[must_use]
    pub fn new(seed: u64, length: Duration, clients: usize) -> Self {
        let mut random = Random::new(seed);
        let mut faults = Vec::new();
        let mut at = QUIET;
        while at + QUIET < length {
            faults.push((at, Self::draw(&mut random, clients)));
            at += millis(&mut random, 1_500, 6_000);
        }
        Self {
            faults,
            length,
            seed,
        }
    }

    fn draw(random: &mut Random, clients: usize) -> Fault {
        let client = random.index(clients);
        match random.below(100) {
            0..30 => Fault::KillClient {
                client,
                away: millis(random, 0, 4_000),
            },
            30..50 => Fault::PauseClient {
                client,
                pause: millis(random, 500, 14_000),
            },
            50..65 => Fault::Hijack {
                client,
                pause: millis(random, 1_000, 10_000),
            },
            65..85 => Fault::KillBroker {
                away: millis(random, 0, 3_000),
            },
            85..93 => Fault::PauseBroker {
                pause: millis(random, 500, 9_000),
            },
            _ => Fault::StopBroker {
                away: millis(random, 0, 2_000),
            },
        }
    }
}

fn millis(random: &mut Random, from: i64, to: i64) -> Duration {
    let drawn = u64::try_from(random.between(from, to)).unwrap_or(0);
    Duration::from_millis(drawn)
}
