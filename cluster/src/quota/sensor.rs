//! What is measured for those who share a limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::{Client, Scope};

/// Number of entries below which nothing is looked through.
const SWEEP_AT_LEAST: usize = 1024;

/// Measurements by key. Whoever adds one pays for looking through all when their number has
/// doubled, so entries that are idle do not pile up, and no timer is needed.
#[derive(Clone, Debug)]
pub(super) struct Sensors<K, V> {
    entries: BTreeMap<K, V>,
    sweep_at: usize,
}

impl<K: Ord, V: Default> Sensors<K, V> {
    pub(super) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            sweep_at: SWEEP_AT_LEAST,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The measurement of `key`, a new one where there is none. `is_idle` tells those that may be
    /// forgotten.
    pub(super) fn get(&mut self, key: K, mut is_idle: impl FnMut(&K, &mut V) -> bool) -> &mut V {
        if self.entries.len() >= self.sweep_at && !self.entries.contains_key(&key) {
            self.entries.retain(|key, value| !is_idle(key, value));
            self.sweep_at = (2 * self.entries.len()).max(SWEEP_AT_LEAST);
        }
        self.entries.entry(key).or_default()
    }
}

/// Who shares a measurement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sharing {
    user: Option<Arc<str>>,
    client_id: Option<Arc<str>>,
}

impl Sharing {
    pub(super) fn of(scope: Scope, client: Client<'_>) -> Self {
        let user = || Some(Arc::from(client.user));
        let client_id = || Some(Arc::from(client.client_id));
        match scope {
            Scope::UserAndClient => Self {
                user: user(),
                client_id: client_id(),
            },
            Scope::User => Self {
                user: user(),
                client_id: None,
            },
            Scope::Client => Self {
                user: None,
                client_id: client_id(),
            },
        }
    }
}
