//! What the log contains: the vote, the marks, where each entry lies, and the newest entries.

use std::collections::VecDeque;

use bytes::Bytes;

use super::frame::Summary;
use crate::metadata::raft_config::LogId;

/// Where an entry's frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Sequence number of the first frame of the file, which is the file's name.
    pub file: u64,
    /// Offset of the frame in the file, in bytes.
    pub position: u64,
    /// Length of the frame, in bytes.
    pub length: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    term: u64,
    /// None until the frame was written.
    place: Option<Place>,
}

/// An entry as a reader finds it.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// In memory; the bytes of `encode_entry`.
    Cached(Bytes),
    /// In a file.
    At { log_id: LogId, place: Place },
}

/// Contents of the log. Slots are consecutive from `first`; the newest ones have their bytes in
/// `cache`, among them all that were not written yet.
#[derive(Debug)]
pub(super) struct Index {
    summary: Summary,
    first: u64,
    slots: VecDeque<Slot>,
    cache: VecDeque<Bytes>,
    cache_bytes: usize,
    cache_bytes_max: usize,
    /// End, exclusive, of entries that must be purged because the files that held them are gone.
    missing_end: u64,
}

impl Index {
    /// The contents before the first frame of the first file.
    pub(super) fn new(summary: Summary, cache_bytes_max: usize) -> Self {
        let next = summary.last.map_or(0, |last| last.index + 1);
        let missing = summary.last > summary.purged;
        Self {
            summary,
            first: next,
            slots: VecDeque::new(),
            cache: VecDeque::new(),
            cache_bytes: 0,
            cache_bytes_max,
            missing_end: if missing { next } else { 0 },
        }
    }

    pub(super) fn summary(&self) -> &Summary {
        &self.summary
    }

    pub(super) fn summary_mut(&mut self) -> &mut Summary {
        &mut self.summary
    }

    /// End, exclusive, of entries that no file holds although they are not purged.
    pub(super) fn missing_end(&self) -> Option<u64> {
        (self.missing_end > 0).then_some(self.missing_end)
    }

    /// Why an entry cannot follow the last one.
    pub(super) fn refusal(&self, log_id: LogId) -> Option<String> {
        let last = self.summary.last?;
        if log_id.index != last.index + 1 {
            return Some(format!("entry {log_id} does not follow {last}"));
        }
        (log_id.leader_id < last.leader_id)
            .then(|| format!("entry {log_id} has a lower term than {last}"))
    }

    /// Adds an entry that [`Index::refusal`] lets pass, with its bytes or its place.
    pub(super) fn push(&mut self, log_id: LogId, bytes: Option<Bytes>, place: Option<Place>) {
        assert!(
            bytes.is_some() || place.is_some(),
            "an entry without bytes and place"
        );
        if self.slots.is_empty() {
            self.first = log_id.index;
        }
        self.slots.push_back(Slot {
            term: log_id.leader_id.term,
            place,
        });
        self.summary.last = Some(log_id);
        match bytes {
            Some(bytes) => {
                self.cache_bytes += bytes.len();
                self.cache.push_back(bytes);
            }
            // The cache is the newest entries without a gap.
            None => {
                self.cache.clear();
                self.cache_bytes = 0;
            }
        }
    }

    /// Notes where an entry was written, unless it is gone by now.
    pub(super) fn written(&mut self, log_id: LogId, place: Place) {
        let at = log_id
            .index
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(slot) = at.and_then(|at| self.slots.get_mut(at))
            && slot.term == log_id.leader_id.term
        {
            slot.place = Some(place);
        }
    }

    /// Drops the oldest cached bytes beyond the limit, as far as they are written.
    pub(super) fn evict(&mut self) {
        while self.cache_bytes > self.cache_bytes_max {
            let oldest = self.slots.len() - self.cache.len();
            if self
                .slots
                .get(oldest)
                .is_none_or(|slot| slot.place.is_none())
            {
                return;
            }
            if let Some(bytes) = self.cache.pop_front() {
                self.cache_bytes -= bytes.len();
            }
        }
    }

    /// The last entry that remains when those after `after` are dropped. The last entry may be
    /// before `after` already.
    pub(super) fn last_after_truncate(&self, after: Option<LogId>) -> Option<LogId> {
        let keep = after.map_or(0, |after| after.index + 1);
        match self.summary.last {
            Some(last) if last.index >= keep => after.max(self.summary.purged),
            last => last,
        }
    }

    /// Drops all entries after `last`.
    pub(super) fn truncate(&mut self, last: Option<LogId>) {
        let end = last.map_or(0, |last| last.index + 1);
        while self.end() > end && self.slots.pop_back().is_some() {
            if let Some(bytes) = self.cache.pop_back() {
                self.cache_bytes -= bytes.len();
            }
        }
        self.missing_end = self.missing_end.min(end);
        self.summary.last = last;
    }

    /// Drops all entries up to `upto`, inclusive.
    pub(super) fn purge(&mut self, upto: LogId) {
        if self.summary.purged >= Some(upto) {
            return;
        }
        while self.first <= upto.index && self.slots.pop_front().is_some() {
            self.first += 1;
            if self.cache.len() > self.slots.len()
                && let Some(bytes) = self.cache.pop_front()
            {
                self.cache_bytes -= bytes.len();
            }
        }
        if upto.index + 1 >= self.missing_end {
            self.missing_end = 0;
        }
        self.summary.purged = Some(upto);
        self.summary.last = self.summary.last.max(Some(upto));
    }

    /// The entries of `[start, end)` that the log has.
    pub(super) fn find(&self, start: u64, end: u64) -> Vec<Found> {
        let start = start.max(self.first);
        let end = end.min(self.end());
        let uncached = self.first + (self.slots.len() - self.cache.len()) as u64;
        let mut found = Vec::new();
        for index in start..end {
            let at = usize::try_from(index - self.first).unwrap_or(usize::MAX);
            let cached = index
                .checked_sub(uncached)
                .and_then(|at| usize::try_from(at).ok());
            if let Some(bytes) = cached.and_then(|at| self.cache.get(at)) {
                found.push(Found::Cached(bytes.clone()));
            } else if let Some(Slot {
                term,
                place: Some(place),
            }) = self.slots.get(at)
            {
                let log_id = LogId::new_term_index(*term, index);
                found.push(Found::At {
                    log_id,
                    place: *place,
                });
            }
        }
        found
    }

    /// Index after the last slot.
    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Slots are as many as there are entries, the cache is at their end, its size is right.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert!(self.cache.len() <= self.slots.len());
        let bytes: usize = self.cache.iter().map(Bytes::len).sum();
        assert_eq!(bytes, self.cache_bytes);
        if let (Some(last), false) = (self.summary.last, self.slots.is_empty()) {
            assert_eq!(self.end(), last.index + 1);
        }
        assert!(self.summary.purged <= self.summary.last);
    }
}
