//! Which leader epoch began at which offset (KIP-101, KIP-279; Kafka class
//! `LeaderEpochFileCache`). The file is [`crate::checkpoint::LEADER_EPOCH`] in the partition's
//! folder; whoever changes the cache writes it.

use milena_protocol::{LeaderEpoch, Offset};

/// One leader epoch and where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Offset of its first record.
    pub start_offset: Offset,
}

/// The leader epochs of one log. Epochs and start offsets strictly increase, none is negative.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct EpochCache {
    entries: Vec<EpochEntry>,
}

impl EpochCache {
    /// No epochs.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Takes the entries of a file in order, as [`EpochCache::assign`] does: what contradicts a
    /// later entry goes.
    #[must_use]
    pub fn from_entries(entries: &[EpochEntry]) -> Self {
        let mut cache = Self::new();
        for entry in entries {
            cache.assign(entry.epoch, entry.start_offset);
        }
        cache
    }

    /// The entries in ascending order.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// Says that `epoch` begins at `start_offset`. Entries that contradict it go: those of the same
    /// or a later epoch, and those that begin at or behind it. Returns true where something has
    /// changed. Does nothing where the epoch is the latest already and began before, and where a
    /// number is negative.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        if epoch.0 < 0 || start_offset.0 < 0 {
            return false;
        }
        if let Some(latest) = self.latest()
            && latest.epoch == epoch
            && start_offset >= latest.start_offset
        {
            return false;
        }
        while let Some(last) = self.entries.last()
            && (last.epoch >= epoch || last.start_offset >= start_offset)
        {
            self.entries.pop();
        }
        self.entries.push(EpochEntry {
            epoch,
            start_offset,
        });
        true
    }

    /// The latest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// The earliest epoch.
    #[must_use]
    pub fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    /// The largest epoch that is not above `requested`, and where it ended: the start of the next
    /// one, or `log_end` for the latest. For an epoch below all known ones the answer is that epoch
    /// itself and the start of the first known one. Both are `NONE` where `requested` is none or
    /// above all known ones.
    #[must_use]
    pub fn end_offset_for(&self, requested: LeaderEpoch, log_end: Offset) -> (LeaderEpoch, Offset) {
        let undefined = (LeaderEpoch::NONE, Offset::NONE);
        if requested == LeaderEpoch::NONE {
            return undefined;
        }
        if self
            .latest()
            .is_some_and(|latest| latest.epoch == requested)
        {
            return (requested, log_end);
        }
        let above = self
            .entries
            .partition_point(|entry| entry.epoch <= requested);
        let Some(next) = self.entries.get(above) else {
            return undefined;
        };
        let floor = above.checked_sub(1).and_then(|at| self.entries.get(at));
        let epoch = floor.map_or(requested, |entry| entry.epoch);
        (epoch, next.start_offset)
    }

    /// Epoch of the record at `offset`; none where it lies before the earliest one.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let count = self
            .entries
            .partition_point(|entry| entry.start_offset <= offset);
        let entry = count.checked_sub(1).and_then(|at| self.entries.get(at))?;
        Some(entry.epoch)
    }

    /// Drops epochs that begin at `end_offset` or behind it. Returns true where something has
    /// changed.
    pub fn truncate_from_end(&mut self, end_offset: Offset) -> bool {
        let before = self.entries.len();
        let kept = self
            .entries
            .partition_point(|entry| entry.start_offset < end_offset);
        self.entries.truncate(kept);
        kept != before
    }

    /// Drops epochs that ended at or before `start_offset`; the one that it lies in begins there
    /// now. Returns true where something has changed.
    pub fn truncate_from_start(&mut self, start_offset: Offset) -> bool {
        let reached = self
            .entries
            .partition_point(|entry| entry.start_offset <= start_offset);
        let Some(last) = reached.checked_sub(1) else {
            return false;
        };
        self.entries.drain(..last);
        let Some(first) = self.entries.first_mut() else {
            return false;
        };
        let has_changed = last > 0 || first.start_offset != start_offset;
        first.start_offset = start_offset;
        has_changed
    }

    /// Drops all. Returns true where there was something.
    pub fn clear(&mut self) -> bool {
        let had_entries = !self.entries.is_empty();
        self.entries.clear();
        had_entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::new();
        for &(epoch, start) in entries {
            cache.assign(LeaderEpoch(epoch), Offset(start));
        }
        cache
    }

    fn listed(cache: &EpochCache) -> Vec<(i32, i64)> {
        let pair = |entry: &EpochEntry| (entry.epoch.0, entry.start_offset.0);
        cache.entries().iter().map(pair).collect()
    }

    #[test]
    fn end_offset_is_the_start_of_the_next_epoch() {
        let cache = cache(&[(2, 10), (4, 20), (7, 30)]);
        let check = |requested, expected: (i32, i64)| {
            let (epoch, offset) = cache.end_offset_for(LeaderEpoch(requested), Offset(99));
            assert_eq!((epoch.0, offset.0), expected, "epoch {requested}");
        };
        check(7, (7, 99));
        check(8, (-1, -1));
        check(-1, (-1, -1));
        check(6, (4, 30));
        check(5, (4, 30));
        check(4, (4, 30));
        check(3, (2, 20));
        check(2, (2, 20));
        check(1, (1, 10));
        let empty = EpochCache::new();
        let undefined = (LeaderEpoch::NONE, Offset::NONE);
        assert_eq!(empty.end_offset_for(LeaderEpoch(0), Offset(5)), undefined);
    }

    #[test]
    fn an_assigned_epoch_removes_what_contradicts_it() {
        assert_eq!(listed(&cache(&[(1, 5), (1, 7)])), [(1, 5)]);
        assert_eq!(listed(&cache(&[(1, 5), (1, 3)])), [(1, 3)]);
        assert_eq!(listed(&cache(&[(1, 5), (2, 5)])), [(2, 5)]);
        assert_eq!(listed(&cache(&[(1, 5), (3, 9), (2, 7)])), [(1, 5), (2, 7)]);
        assert_eq!(listed(&cache(&[(1, 5), (3, 9), (4, 6)])), [(1, 5), (4, 6)]);
        assert!(!cache(&[(1, 5)]).assign(LeaderEpoch(-1), Offset(0)));
    }

    #[test]
    fn truncation_at_both_ends() {
        let full = [(2, 10), (4, 20), (7, 30)];
        let from_end = |end, expected: &[(i32, i64)], changed| {
            let mut cache = cache(&full);
            assert_eq!(cache.truncate_from_end(Offset(end)), changed);
            assert_eq!(listed(&cache), expected);
        };
        from_end(31, &full, false);
        from_end(30, &full[..2], true);
        from_end(0, &[], true);
        let from_start = |start, expected: &[(i32, i64)], changed| {
            let mut cache = cache(&full);
            assert_eq!(cache.truncate_from_start(Offset(start)), changed);
            assert_eq!(listed(&cache), expected);
        };
        from_start(9, &full, false);
        from_start(10, &full, false);
        from_start(15, &[(2, 15), (4, 20), (7, 30)], true);
        from_start(20, &full[1..], true);
        from_start(99, &[(7, 99)], true);
    }

    #[test]
    fn epoch_of_an_offset() {
        let cache = cache(&[(2, 10), (4, 20)]);
        assert_eq!(cache.epoch_for_offset(Offset(9)), None);
        assert_eq!(cache.epoch_for_offset(Offset(10)), Some(LeaderEpoch(2)));
        assert_eq!(cache.epoch_for_offset(Offset(19)), Some(LeaderEpoch(2)));
        assert_eq!(cache.epoch_for_offset(Offset(500)), Some(LeaderEpoch(4)));
    }
}
