//! The members of one topic between those with the fewest and those with the most partitions.

/// Members sorted by how many partitions they have, with the range of those that have the fewest
/// and the range of those that have the most. In a range all have the same number, its level; when
/// each of them has had one more, or given one, the range has the next level and grows by those who
/// are at it.
#[derive(Debug, Default)]
pub(super) struct Balancer {
    members: Vec<usize>,
    /// End of the range with the fewest, which starts at 0; exclusive.
    least_end: usize,
    least_level: i64,
    /// Position in the range of the one that gets the next partition.
    least_next: usize,
    /// The range with the most, half open. Behind it are those that have nothing to give.
    most_start: usize,
    most_end: usize,
    most_level: i64,
    /// Position behind the one that gives the next partition.
    most_next: usize,
}

impl Balancer {
    /// Begins with the members of a topic, by their indices; `sizes` has how many partitions each
    /// member has. Returns the difference between the most and the fewest.
    pub(super) fn start(&mut self, subscribers: &[usize], sizes: &[usize]) -> usize {
        self.members.clear();
        self.members.extend_from_slice(subscribers);
        self.members.sort_by_key(|member| (sizes[*member], *member));
        let size_of = |member: Option<&usize>| member.map_or(0, |member| sizes[*member]);
        let (least, most) = (size_of(self.members.first()), size_of(self.members.last()));
        self.least_end = 0;
        self.least_level = level(least) - 1;
        self.least_next = 0;
        self.most_start = self.members.len();
        self.most_end = self.members.len();
        self.most_level = level(most) + 1;
        self.most_next = self.members.len();
        most - least
    }

    /// The member that gets the next partition; it counts as having it. There is one wherever
    /// the topic has a subscriber.
    pub(super) fn next_least(&mut self, sizes: &[usize]) -> Option<usize> {
        if self.least_next >= self.least_end {
            self.least_level += 1;
            while let Some(member) = self.members.get(self.least_end)
                && level(sizes[*member]) == self.least_level
            {
                self.least_end += 1;
            }
            self.least_next = 0;
        }
        let member = self.members.get(self.least_next).copied();
        self.least_next += 1;
        member
    }

    /// The member that gives the next partition; it counts as having given it. None where nobody
    /// has one to give.
    pub(super) fn next_most(&mut self, sizes: &[usize]) -> Option<usize> {
        if self.most_next <= self.most_start {
            let is_empty = self.most_end <= self.most_start;
            if is_empty && let Some(before) = self.most_start.checked_sub(1) {
                // All of it was excluded: go on wherever the next one is.
                self.most_level = level(sizes[self.members[before]]);
            } else {
                self.most_level -= 1;
            }
            while let Some(before) = self.most_start.checked_sub(1)
                && level(sizes[self.members[before]]) == self.most_level
            {
                self.most_start = before;
            }
            self.most_next = self.most_end;
        }
        self.most_next = self.most_next.checked_sub(1)?;
        Some(self.members[self.most_next])
    }

    /// Takes the member that [`Self::next_most`] returned last out of the range, since it has
    /// nothing to give.
    pub(super) fn exclude_most(&mut self) {
        self.most_end -= 1;
        self.members.swap(self.most_next, self.most_end);
    }

    /// True where no move makes it more even.
    pub(super) fn is_balanced(&self) -> bool {
        self.most_level - self.least_level <= 1
    }
}

fn level(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX - 1)
}
