//! The sessions of a broker.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::{ErrorCode, PartitionIndex, Timestamp};

use super::session::{Answer, Place, Session, Topic, Wanted};

/// Limits of a [`Cache`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `max.incremental.fetch.session.cache.slots`: sessions at most; 0 for none.
    pub slots: usize,
    /// Partitions in all sessions together at most. A session that would exceed it is not opened,
    /// or closed.
    pub partitions_max: usize,
    /// How long an unused session is safe, in milliseconds; Kafka has 120 000.
    pub eviction_ms: i64,
}

impl Settings {
    /// Kafka's limits with this many sessions, and a million partitions.
    #[must_use]
    pub const fn new(slots: usize) -> Self {
        Self {
            slots,
            partitions_max: 1_000_000,
            eviction_ms: 120_000,
        }
    }
}

/// A Fetch request, as far as sessions are concerned.
#[derive(Clone, Debug)]
pub struct Request {
    /// The session; 0 for none.
    pub session_id: i32,
    /// Epoch within the session: 0 opens one, -1 has none or closes it.
    pub epoch: i32,
    /// True for a follower.
    pub is_follower: bool,
    /// True where the request names topics by id (version 13 and later).
    pub uses_topic_ids: bool,
    /// The partitions of a full fetch, or those that are added or changed, in order.
    pub partitions: Vec<Wanted>,
    /// The partitions that leave the session.
    pub forgotten: Vec<(Topic, PartitionIndex)>,
}

/// A fetch that may begin.
#[derive(Clone, Debug)]
pub struct Opened {
    targets: Vec<Wanted>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Sessionless,
    Full {
        is_follower: bool,
        uses_topic_ids: bool,
    },
    Incremental {
        session_id: i32,
        /// Epoch that the session has while this fetch is the latest one.
        epoch: i32,
        places: Vec<Place>,
    },
}

impl Opened {
    /// The partitions to read, in order.
    #[must_use]
    pub fn targets(&self) -> &[Wanted] {
        &self.targets
    }

    /// True where an answer leaves out partitions that have nothing new.
    #[must_use]
    pub fn is_incremental(&self) -> bool {
        matches!(self.kind, Kind::Incremental { .. })
    }
}

/// What a fetch answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The session to name; 0 for none.
    pub session_id: i32,
    /// For each target whether the answer has it.
    pub is_included: Vec<bool>,
}

/// Rank among sessions that may be closed to make room: the first goes first.
type Rank = (bool, usize, i32);

/// The sessions of a broker, or of one of several shards of it.
#[derive(Debug)]
pub struct Cache {
    settings: Settings,
    /// Ids of this cache have this remainder.
    shard: u32,
    shards: u32,
    random: u64,
    sessions: BTreeMap<i32, Session>,
    partition_count: usize,
    by_last_used: BTreeSet<(Timestamp, i32)>,
    /// Who may be closed for a follower's session.
    for_followers: BTreeSet<Rank>,
    /// Who may be closed for a consumer's session.
    for_all: BTreeSet<Rank>,
    evicted_count: u64,
}

/// The shard of `shards` that has this session.
#[must_use]
pub fn shard_of(session_id: i32, shards: u32) -> u32 {
    session_id.unsigned_abs() % shards.max(1)
}

impl Cache {
    /// The cache of shard `shard` of `shards`; `(0, 1)` for a single one. `seed` makes the ids.
    ///
    /// # Panics
    /// `shard` is not below `shards`.
    #[must_use]
    pub fn new(settings: Settings, (shard, shards): (u32, u32), seed: u64) -> Self {
        assert!(shard < shards, "shard {shard} of {shards}");
        Self {
            settings,
            shard,
            shards,
            random: seed,
            sessions: BTreeMap::new(),
            partition_count: 0,
            by_last_used: BTreeSet::new(),
            for_followers: BTreeSet::new(),
            for_all: BTreeSet::new(),
            evicted_count: 0,
        }
    }

    /// Number of sessions.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Number of partitions in all sessions.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// Number of sessions that were closed to make room, since the start.
    #[must_use]
    pub fn evicted_count(&self) -> u64 {
        self.evicted_count
    }

    /// Takes a request. It belongs to the shard of its session; a request without one to any.
    ///
    /// # Errors
    /// [`ErrorCode::FetchSessionIdNotFound`], [`ErrorCode::InvalidFetchSessionEpoch`],
    /// [`ErrorCode::FetchSessionTopicIdError`]: the client starts over with a full fetch.
    pub fn open(&mut self, request: Request, now: Timestamp) -> Result<Opened, ErrorCode> {
        if request.epoch <= 0 {
            self.close_session(request.session_id);
            let kind = if request.epoch == 0 {
                Kind::Full {
                    is_follower: request.is_follower,
                    uses_topic_ids: request.uses_topic_ids,
                }
            } else {
                Kind::Sessionless
            };
            return Ok(Opened {
                targets: request.partitions,
                kind,
            });
        }
        self.open_incremental(request, now)
    }

    fn open_incremental(&mut self, request: Request, now: Timestamp) -> Result<Opened, ErrorCode> {
        let id = request.session_id;
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != request.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != request.uses_topic_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        for wanted in request.partitions {
            session.add(wanted);
        }
        for (topic, partition) in request.forgotten {
            session.remove(topic, partition);
        }
        let (places, targets) = session.wanted();
        if targets.is_empty() {
            self.close_session(id);
            return Ok(Opened {
                targets,
                kind: Kind::Sessionless,
            });
        }
        session.bump_epoch();
        let epoch = session.epoch;
        session.check_invariants();
        self.touch(id, now);
        if self.partition_count > self.settings.partitions_max {
            self.close_session(id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        Ok(Opened {
            targets,
            kind: Kind::Incremental {
                session_id: id,
                epoch,
                places,
            },
        })
    }

    /// Ends a fetch with what was found, one answer for each target in order.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidFetchSessionEpoch`] where another request of the session, or its end,
    /// came in between.
    ///
    /// # Panics
    /// The answers are not as many as the targets.
    pub fn close(
        &mut self,
        opened: &Opened,
        answers: &[Answer],
        now: Timestamp,
    ) -> Result<Closed, ErrorCode> {
        assert!(
            answers.len() == opened.targets.len(),
            "{} answers for {} targets",
            answers.len(),
            opened.targets.len()
        );
        match &opened.kind {
            Kind::Sessionless => Ok(Closed {
                session_id: 0,
                is_included: vec![true; answers.len()],
            }),
            Kind::Full {
                is_follower,
                uses_topic_ids,
            } => {
                let mut session = Session::new(*is_follower, *uses_topic_ids, now);
                for (wanted, answer) in opened.targets.iter().zip(answers) {
                    let place = session.add(wanted.clone());
                    // All is told; what was told is noted without changing the order.
                    session.tell(
                        place,
                        &Answer {
                            records_bytes: 0,
                            ..*answer
                        },
                    );
                }
                Ok(Closed {
                    session_id: self.insert(session, now),
                    is_included: vec![true; answers.len()],
                })
            }
            Kind::Incremental {
                session_id,
                epoch,
                places,
            } => {
                let session = self.latest(*session_id, *epoch)?;
                let pairs = places.iter().zip(answers);
                let is_included = pairs
                    .map(|(place, answer)| session.tell(*place, answer))
                    .collect();
                session.check_invariants();
                Ok(Closed {
                    session_id: *session_id,
                    is_included,
                })
            }
        }
    }

    /// Ends a fetch that is throttled: it answers no partition, and nothing counts as told. The
    /// session to name; 0 for none.
    ///
    /// # Errors
    /// As [`Cache::close`].
    pub fn close_throttled(&mut self, opened: &Opened) -> Result<i32, ErrorCode> {
        match &opened.kind {
            Kind::Sessionless | Kind::Full { .. } => Ok(0),
            Kind::Incremental {
                session_id, epoch, ..
            } => self.latest(*session_id, *epoch).map(|_| *session_id),
        }
    }

    fn latest(&mut self, id: i32, epoch: i32) -> Result<&mut Session, ErrorCode> {
        self.sessions
            .get_mut(&id)
            .filter(|session| session.epoch == epoch)
            .ok_or(ErrorCode::InvalidFetchSessionEpoch)
    }

    /// Takes in a new session if there is or can be made room. Its id, or 0.
    fn insert(&mut self, session: Session, now: Timestamp) -> i32 {
        let size = session.size();
        let has_slot = self.sessions.len() < self.settings.slots;
        let is_wanted = size > 0
            && self.settings.slots > 0
            && self.partition_count + size <= self.settings.partitions_max
            && (has_slot || self.evict_for(session.is_follower, size, now));
        if !is_wanted {
            return 0;
        }
        let id = self.new_id();
        self.by_last_used.insert((session.last_used, id));
        self.sessions.insert(id, session);
        self.touch(id, now);
        id
    }

    /// Closes a session that is worth less than a new one. False where there is none.
    fn evict_for(&mut self, is_follower: bool, size: usize, now: Timestamp) -> bool {
        let Some((last_used, oldest)) = self.by_last_used.first().copied() else {
            return false;
        };
        let victim = if now.ms_since(last_used) > self.settings.eviction_ms {
            Some(oldest)
        } else {
            let ranks = if is_follower {
                &self.for_followers
            } else {
                &self.for_all
            };
            // With the smallest id the new session loses against one of equal worth.
            let new: Rank = (is_follower, size, 0);
            let least = ranks.first().filter(|least| **least <= new);
            least.map(|(_, _, id)| *id)
        };
        if let Some(victim) = victim {
            self.close_session(victim);
            self.evicted_count += 1;
        }
        victim.is_some()
    }

    /// Notes that a session was used, with the size that it has now.
    fn touch(&mut self, id: i32, now: Timestamp) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        self.by_last_used.remove(&(session.last_used, id));
        session.last_used = session.last_used.max(now);
        self.by_last_used.insert((session.last_used, id));
        let old: Rank = (session.is_follower, session.listed_size, id);
        self.for_followers.remove(&old);
        self.for_all.remove(&old);
        self.partition_count -= session.listed_size;
        session.listed_size = session.size();
        self.partition_count += session.listed_size;
        let rank: Rank = (session.is_follower, session.listed_size, id);
        let is_old = now.ms_since(session.created) > self.settings.eviction_ms;
        if is_old || !session.is_follower {
            self.for_followers.insert(rank);
        }
        if is_old {
            self.for_all.insert(rank);
        }
    }

    fn close_session(&mut self, id: i32) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        let rank: Rank = (session.is_follower, session.listed_size, id);
        self.by_last_used.remove(&(session.last_used, id));
        self.for_followers.remove(&rank);
        self.for_all.remove(&rank);
        self.partition_count -= session.listed_size;
    }

    /// An id from 1 to `i32::MAX` that nobody has and that belongs to this shard.
    fn new_id(&mut self) -> i32 {
        loop {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let bits = mix(self.random) >> 33;
            let Ok(id) = i32::try_from(bits) else {
                continue;
            };
            let is_ours = shard_of(id, self.shards) == self.shard;
            if id > 0 && is_ours && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// What has to hold at any time.
    ///
    /// # Panics
    /// It does not hold.
    pub fn check_invariants(&self) {
        assert!(self.sessions.len() <= self.settings.slots);
        assert!(self.by_last_used.len() == self.sessions.len());
        assert!(self.for_all.len() <= self.sessions.len());
        assert!(self.for_followers.len() <= self.sessions.len());
        let total: usize = self
            .sessions
            .values()
            .map(|session| session.listed_size)
            .sum();
        assert!(self.partition_count == total);
        assert!(self.partition_count <= self.settings.partitions_max);
        self.sessions.values().for_each(Session::check_invariants);
    }
}

/// The finaliser of SplitMix64: every bit of the input changes about half of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
