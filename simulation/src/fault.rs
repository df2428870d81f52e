//! What goes wrong, and when: drawn before a run begins, so that single faults can be left out.

use crate::random::Random;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The machine of the broker loses power; it starts again after this time.
    PowerLoss {
        /// Milliseconds until it starts.
        down_ms: i64,
    },
    /// Power goes after so many further operations of the disk, in the middle of whatever happens.
    PowerLossAt {
        /// Operations.
        operations: u64,
    },
    /// The process of the broker is killed; the page cache stays.
    Kill {
        /// Milliseconds until it starts.
        down_ms: i64,
    },
    /// A write fails with EIO.
    WriteError {
        /// Which one, 1 for the next.
        number: u64,
    },
    /// A sync fails with EIO.
    SyncError {
        /// Which one, 1 for the next.
        number: u64,
    },
    /// The disk is full for a while.
    FullDisk {
        /// Bytes that still fit.
        bytes: u64,
        /// Milliseconds.
        ms: i64,
    },
    /// Syncs take long for a while.
    SlowDisk {
        /// Longest duration of a sync in milliseconds.
        sync_ms: i64,
        /// Milliseconds.
        ms: i64,
    },
    /// The wall clock of the broker is set.
    ClockJump {
        /// By so many milliseconds.
        ms: i64,
    },
    /// Messages get lost for a while.
    Loss {
        /// Share of the messages in percent.
        percent: u64,
        /// Milliseconds.
        ms: i64,
    },
    /// Messages take long for a while.
    Delay {
        /// Longest delay in milliseconds.
        delay_ms: i64,
        /// Milliseconds.
        ms: i64,
    },
    /// A client is killed and starts again.
    ClientCrash {
        /// Which client.
        client: usize,
        /// Milliseconds until it starts.
        down_ms: i64,
    },
    /// A client is stopped (SIGSTOP) and goes on later.
    ClientPause {
        /// Which client.
        client: usize,
        /// Milliseconds.
        ms: i64,
    },
    /// A partition of a coordinator is led anew: the coordinator resigns and loads.
    NewLeadership {
        /// True for transactions, false for groups.
        of_transactions: bool,
        /// Number of the partition.
        shard: i32,
    },
}

/// A fault at its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Milliseconds from the beginning.
    pub at: i64,
    /// What goes wrong.
    pub kind: Kind,
}

/// Kinds of faults.
const KINDS: u64 = 13;

/// The faults of a run of this length. Not every run has every kind: some bugs show only where
/// other faults do not hide them.
pub(crate) fn draw(random: &mut Random, clients: usize, until: i64) -> Vec<Fault> {
    let kinds: Vec<u64> = (0..KINDS).filter(|_| random.chance(45)).collect();
    if kinds.is_empty() {
        return Vec::new();
    }
    let count = random.between(0, 12);
    let mut faults: Vec<Fault> = (0..count)
        .map(|_| Fault {
            at: random.between(500, until),
            kind: kind(kinds[random.index(kinds.len())], random, clients),
        })
        .collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn kind(number: u64, random: &mut Random, clients: usize) -> Kind {
    let down_ms = random.between(50, 2500);
    let ms = random.between(300, 5000);
    match number {
        0 => Kind::PowerLoss { down_ms },
        1 => Kind::PowerLossAt {
            operations: random.below(60) + 1,
        },
        2 => Kind::Kill { down_ms },
        3 => Kind::WriteError {
            number: random.below(20) + 1,
        },
        4 => Kind::SyncError {
            number: random.below(20) + 1,
        },
        5 => Kind::FullDisk {
            bytes: random.below(4000),
            ms,
        },
        6 => Kind::SlowDisk {
            sync_ms: random.between(20, 1500),
            ms,
        },
        7 => Kind::ClockJump {
            ms: random.between(-20_000, 20_000),
        },
        8 => Kind::Loss {
            percent: random.below(40) + 1,
            ms,
        },
        9 => Kind::Delay {
            delay_ms: random.between(50, 3000),
            ms,
        },
        10 => Kind::ClientCrash {
            client: random.index(clients),
            down_ms,
        },
        11 => Kind::ClientPause {
            client: random.index(clients),
            ms: random.between(500, 9000),
        },
        _ => Kind::NewLeadership {
            of_transactions: random.chance(50),
            shard: i32::try_from(random.below(2)).unwrap_or(0),
        },
    }
}
