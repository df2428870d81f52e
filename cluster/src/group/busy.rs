//! The groups whose records are being appended.

use std::collections::{BTreeMap, BTreeSet};

use milena_protocol::stored::group::Record;

use super::event::Token;

/// The groups of all appends that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy(BTreeMap<String, OfGroup>);

#[derive(Clone, Copy, Debug, Default)]
struct OfGroup {
    /// How many records are being appended.
    record_count: usize,
    /// The last append with an offset.
    last_commit: Option<Token>,
}

impl Busy {
    /// An append has begun.
    pub(super) fn note(&mut self, token: Token, records: &[Record]) {
        for record in records {
            let Some(group) = record.group() else {
                continue;
            };
            if !self.0.contains_key(group) {
                self.0.insert(group.to_owned(), OfGroup::default());
            }
            if let Some(of_group) = self.0.get_mut(group) {
                of_group.record_count += 1;
                if matches!(record, Record::Offset(..)) {
                    of_group.last_commit = Some(token);
                }
            }
        }
    }

    /// An append has come to its end.
    pub(super) fn forget(&mut self, records: &[Record]) {
        for record in records {
            let Some(group) = record.group() else {
                continue;
            };
            if let Some(of_group) = self.0.get_mut(group) {
                of_group.record_count -= 1;
                if of_group.record_count == 0 {
                    self.0.remove(group);
                }
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// True where records of the group are being appended.
    pub(super) fn is_busy(&self, group: &str) -> bool {
        self.0.contains_key(group)
    }

    /// The last append with an offset of the group; it may have come to its end where the appends
    /// before it have not.
    pub(super) fn last_commit(&self, group: &str) -> Option<Token> {
        self.0.get(group)?.last_commit
    }

    pub(super) fn check_invariants(&self, expected: &BTreeSet<&str>) {
        let known: BTreeSet<&str> = self.0.keys().map(String::as_str).collect();
        assert_eq!(&known, expected, "groups of appends");
    }
}
