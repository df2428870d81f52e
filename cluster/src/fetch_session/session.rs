//! One fetch session.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_protocol::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

/// A topic as the request names it: by name up to version 12, by id from version 13 (KIP-516).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// By name.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

/// A partition that is fetched, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: PartitionIndex,
    /// First offset that is wanted.
    pub offset: Offset,
    /// Leader epoch that the client knows; -1 where it tells none.
    pub current_leader_epoch: LeaderEpoch,
    /// Epoch of the last record that the client has; -1 where it tells none.
    pub last_fetched_epoch: LeaderEpoch,
    /// Start of the log of a follower; -1 for a consumer.
    pub log_start: Offset,
    /// Bytes of records from this partition at most.
    pub bytes_max: i32,
}

/// What was found in a partition, as far as it decides whether the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Bytes of records.
    pub records_bytes: usize,
    /// High watermark; -1 with an error.
    pub high_watermark: Offset,
    /// Start of the log; -1 with an error.
    pub log_start: Offset,
    /// True for an error.
    pub has_error: bool,
    /// True where the client's log parts from ours.
    pub is_diverging: bool,
    /// True where the client is sent to another replica (KIP-392).
    pub has_preferred_replica: bool,
}

/// A partition of a session: what is wanted, and what the client was told last.
#[derive(Clone, Debug)]
struct Cached {
    wanted: Wanted,
    high_watermark: Offset,
    log_start: Offset,
}

impl Cached {
    const fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            high_watermark: Offset::NONE,
            log_start: Offset::NONE,
        }
    }

    /// Notes an answer. True where the client has to see it.
    fn tell(&mut self, answer: &Answer) -> bool {
        let is_new = answer.records_bytes > 0
            || answer.has_error
            || answer.is_diverging
            || answer.has_preferred_replica
            || self.high_watermark != answer.high_watermark
            || self.log_start != answer.log_start;
        // After an error the partition is told again, whatever it has then.
        self.high_watermark = if answer.has_error {
            Offset::NONE
        } else {
            answer.high_watermark
        };
        self.log_start = answer.log_start;
        is_new
    }
}

/// Place of a partition in the order of its session.
pub(super) type Place = u64;

/// One fetch session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) uses_topic_ids: bool,
    pub(super) is_follower: bool,
    pub(super) created: Timestamp,
    pub(super) last_used: Timestamp,
    /// Epoch of the next request; 1 to `i32::MAX`.
    pub(super) epoch: i32,
    /// How large the session was when it was last used, which is how it is listed for eviction.
    pub(super) listed_size: usize,
    order: BTreeMap<Place, Cached>,
    places: BTreeMap<(Topic, PartitionIndex), Place>,
    next_place: Place,
}

impl Session {
    pub(super) fn new(is_follower: bool, uses_topic_ids: bool, now: Timestamp) -> Self {
        Self {
            uses_topic_ids,
            is_follower,
            created: now,
            last_used: now,
            epoch: 1,
            listed_size: 0,
            order: BTreeMap::new(),
            places: BTreeMap::new(),
            next_place: 0,
        }
    }

    /// Number of partitions.
    pub(super) fn size(&self) -> usize {
        self.order.len()
    }

    pub(super) fn bump_epoch(&mut self) {
        self.epoch = if self.epoch == i32::MAX {
            1
        } else {
            self.epoch + 1
        };
    }

    /// Adds a partition at the end, or changes what is wanted of one that is there.
    pub(super) fn add(&mut self, wanted: Wanted) -> Place {
        let key = (wanted.topic.clone(), wanted.partition);
        if let Some(place) = self.places.get(&key)
            && let Some(cached) = self.order.get_mut(place)
        {
            cached.wanted = wanted;
            return *place;
        }
        let place = self.take_place();
        self.places.insert(key, place);
        self.order.insert(place, Cached::new(wanted));
        place
    }

    pub(super) fn remove(&mut self, topic: Topic, partition: PartitionIndex) {
        if let Some(place) = self.places.remove(&(topic, partition)) {
            self.order.remove(&place);
        }
    }

    /// Every partition, in order.
    pub(super) fn wanted(&self) -> (Vec<Place>, Vec<Wanted>) {
        let entries = self.order.iter();
        entries
            .map(|(place, cached)| (*place, cached.wanted.clone()))
            .unzip()
    }

    /// Notes the answer of the partition at `place`. True where the client has to see it. One with
    /// records goes to the end.
    pub(super) fn tell(&mut self, place: Place, answer: &Answer) -> bool {
        let Some(cached) = self.order.get_mut(&place) else {
            return true;
        };
        let is_new = cached.tell(answer);
        if answer.records_bytes > 0 {
            self.move_to_end(place);
        }
        is_new
    }

    fn move_to_end(&mut self, place: Place) {
        if let Some(cached) = self.order.remove(&place) {
            let key = (cached.wanted.topic.clone(), cached.wanted.partition);
            let last = self.take_place();
            self.places.insert(key, last);
            self.order.insert(last, cached);
        }
    }

    fn take_place(&mut self) -> Place {
        let place = self.next_place;
        // At a billion moves a second this takes five centuries to wrap.
        self.next_place += 1;
        place
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.epoch >= 1, "epoch {}", self.epoch);
        assert!(
            self.order.len() == self.places.len(),
            "{} partitions at {} places",
            self.order.len(),
            self.places.len()
        );
    }
}
