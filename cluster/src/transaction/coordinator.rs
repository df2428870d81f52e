//! The coordinator of the transactional ids of one partition of `__transaction_state`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use milena_protocol::bug::{self, Bug};
use milena_protocol::stored::transaction::Record;
use milena_protocol::{ErrorCode, ProducerId, Timestamp, TopicPartition};

use super::append::InFlight;
use super::config::Config;
use super::decide::{Circumstances, Verdict, decide};
use super::event::{Effect, Event, Token, Waiter};
use super::request::Request;
use super::response::Response;
use super::timer::{Timer, Timers};
use super::transition::Transaction;

/// Producer ids that the coordinator keeps for later: what it asked for and did not need.
const SPARE_IDS_MAX: usize = 16;
/// Requests that wait for a new producer id at once.
const WAITING_FOR_ID_MAX: usize = 1024;
/// Whether the coordinator serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loading,
    Active,
    Resigned,
}

/// A request that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) waiter: Waiter,
    pub(super) request: Request,
    /// When it is answered with CONCURRENT_TRANSACTIONS.
    pub(super) until: Timestamp,
}

/// Everything about one transactional id.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The committed state; none until the first record is committed.
    pub(super) transaction: Option<Transaction>,
    /// The append under way.
    pub(super) in_flight: Option<Token>,
    /// What waits for it, or for the end of the transaction, in the order of arrival.
    pub(super) waiting: VecDeque<Waiting>,
    /// Partitions that have no marker yet of the transaction that is decided.
    pub(super) unmarked: BTreeSet<TopicPartition>,
    /// Times in a row that none of them could be written.
    pub(super) failed_tries: u32,
}

/// The coordinator; the module doc says how it is used.
#[derive(Debug)]
pub struct Coordinator {
    pub(super) config: Config,
    /// Leader epoch of the partition.
    pub(super) epoch: i32,
    phase: Phase,
    pub(super) entries: BTreeMap<Arc<str>, Entry>,
    pub(super) timers: Timers,
    pub(super) in_flight: BTreeMap<Token, InFlight>,
    pub(super) next_token: u64,
    pub(super) spare_ids: VecDeque<ProducerId>,
    waiting_for_id: VecDeque<(Waiter, Request)>,
    /// Ids that were asked for and have not come.
    pub(super) ids_wanted: usize,
    /// Instant of the step that runs.
    pub(super) now: Timestamp,
    /// Effects of the step that runs.
    pub(super) effects: Vec<Effect>,
}

impl Coordinator {
    /// A coordinator that loads; `epoch` is the leader epoch of its partition.
    #[must_use]
    pub fn new(config: Config, epoch: i32) -> Self {
        Self {
            config,
            epoch,
            phase: Phase::Loading,
            entries: BTreeMap::new(),
            timers: Timers::default(),
            in_flight: BTreeMap::new(),
            next_token: 0,
            spare_ids: VecDeque::new(),
            waiting_for_id: VecDeque::new(),
            ids_wanted: 0,
            now: Timestamp::NONE,
            effects: Vec::new(),
        }
    }

    /// Applies a committed record of the partition, in the order of the log. The caller feeds what
    /// is loaded; of its own appends the coordinator takes care.
    ///
    /// # Panics
    /// Where the coordinator serves already.
    pub fn apply(&mut self, record: Record) {
        assert!(self.phase == Phase::Loading, "loaded in {:?}", self.phase);
        let Record::Transaction {
            transactional_id,
            metadata,
        } = record
        else {
            return;
        };
        match metadata {
            Some(metadata) => {
                let entry = self.entries.entry(Arc::from(transactional_id)).or_default();
                entry.transaction = Some(Transaction::loaded(metadata));
            }
            None => {
                self.entries.remove(transactional_id.as_str());
            }
        }
    }

    /// Begins to serve, and to write the markers of whatever is decided and not complete.
    ///
    /// # Panics
    /// Where it has served before.
    pub fn finish_loading(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        assert!(self.phase == Phase::Loading, "loaded in {:?}", self.phase);
        self.now = now;
        self.phase = Phase::Active;
        for id in self.entries.keys().cloned().collect::<Vec<_>>() {
            self.enter_state(&id);
        }
        if bug::is(Bug::MarkersNotResent) {
            self.effects.clear();
        }
        self.schedule_expiration(self.config.expiration_interval_ms);
        effects.append(&mut self.effects);
    }

    /// Stops serving: whoever waits is answered with NOT_COORDINATOR.
    pub fn resign(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Resigned;
        self.timers.clear();
        let error = ErrorCode::NotCoordinator;
        for (_, in_flight) in std::mem::take(&mut self.in_flight) {
            for (waiter, response) in in_flight.replies {
                self.reply(waiter, response.failed(error));
            }
        }
        for (_, entry) in std::mem::take(&mut self.entries) {
            for waiting in entry.waiting {
                self.reply(waiting.waiter, waiting.request.refused(error));
            }
        }
        for (waiter, request) in std::mem::take(&mut self.waiting_for_id) {
            self.reply(waiter, request.refused(error));
        }
        effects.append(&mut self.effects);
    }

    /// Handles one event at `now`, which never goes back.
    pub fn step(&mut self, now: Timestamp, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            Event::Request { waiter, request } => self.request(waiter, request),
            Event::Appended { token, result } => self.appended(token, result),
            Event::TimedOut { token } => self.timed_out(token),
            Event::ProducerId(result) => self.got_producer_id(result),
            Event::MarkersWritten {
                transactional_id,
                producer_id,
                producer_epoch,
                results,
            } => {
                if self.phase == Phase::Active {
                    let producer = super::Producer {
                        id: producer_id,
                        epoch: producer_epoch,
                    };
                    self.markers_written(&transactional_id, producer, &results);
                }
            }
            Event::TransactionVersion(level) => self.config.transaction_version = level,
            Event::Tick => self.tick(),
        }
        effects.append(&mut self.effects);
    }

    /// When [`Event::Tick`] is due; none where nothing is scheduled.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Version in which the values of records are to be written.
    #[must_use]
    pub const fn record_version(&self) -> i16 {
        if self.config.transaction_version >= 1 {
            1
        } else {
            0
        }
    }

    /// True where replaying the records of either gives the other.
    #[must_use]
    pub fn has_same_records(&self, other: &Self) -> bool {
        let stored = |(id, of): (&str, &Transaction)| (id.to_owned(), of.metadata.clone());
        self.transactions()
            .map(stored)
            .eq(other.transactions().map(stored))
    }

    /// The committed state of a transactional id.
    #[must_use]
    pub fn transaction(&self, id: &str) -> Option<&Transaction> {
        self.entries.get(id)?.transaction.as_ref()
    }

    /// Every transactional id with its committed state, in order.
    pub fn transactions(&self) -> impl Iterator<Item = (&str, &Transaction)> {
        self.entries
            .iter()
            .filter_map(|(id, entry)| Some((&**id, entry.transaction.as_ref()?)))
    }

    /// What every request gets while the coordinator does not serve.
    pub(super) const fn refusal(&self) -> Option<ErrorCode> {
        match self.phase {
            Phase::Active => None,
            Phase::Loading => Some(ErrorCode::CoordinatorLoadInProgress),
            Phase::Resigned => Some(ErrorCode::NotCoordinator),
        }
    }

    fn request(&mut self, waiter: Waiter, request: Request) {
        if let Some(error) = self.refusal() {
            return self.reply(waiter, request.refused(error));
        }
        let entry = self.entries.get(request.transactional_id());
        // A verification depends on nothing that is under way: the partition refuses what comes
        // after its marker.
        let is_busy = entry.is_some_and(|entry| {
            entry.in_flight.is_some() || entry.waiting.len() >= self.config.waiting_max
        });
        if is_busy && !matches!(request, Request::Verify(_)) {
            let id: Arc<str> = Arc::from(request.transactional_id());
            return self.wait(&id, waiter, request);
        }
        self.dispatch(waiter, request);
    }

    /// Decides on a request of an id without an append under way.
    pub(super) fn dispatch(&mut self, waiter: Waiter, request: Request) {
        let id: Arc<str> = Arc::from(request.transactional_id());
        let current = self.transaction(&id).cloned();
        match self.decide(current.as_ref(), &request) {
            Verdict::Reply(response) => self.reply(waiter, response),
            Verdict::Store(states, response) => {
                self.store(&id, states, vec![(waiter, response)]);
            }
            Verdict::StoreAndWait(state) => {
                self.store(&id, vec![state], Vec::new());
                self.wait(&id, waiter, request);
            }
            Verdict::Wait => self.wait(&id, waiter, request),
            Verdict::NeedsProducerId => self.wait_for_id(waiter, request),
        }
    }

    pub(super) fn decide(&self, transaction: Option<&Transaction>, request: &Request) -> Verdict {
        decide(&self.circumstances(transaction), request)
    }

    pub(super) fn circumstances<'a>(
        &'a self,
        transaction: Option<&'a Transaction>,
    ) -> Circumstances<'a> {
        Circumstances {
            config: &self.config,
            now: self.now,
            transaction,
            spare_producer_id: self.spare_ids.front().copied(),
        }
    }

    /// Lets a request wait, for a bounded time and among a bounded number.
    pub(super) fn wait(&mut self, id: &Arc<str>, waiter: Waiter, request: Request) {
        let until = self.now.plus_ms(self.config.wait_ms);
        let waiting_max = self.config.waiting_max;
        let entry = self.entries.entry(Arc::clone(id)).or_default();
        if entry.waiting.len() >= waiting_max {
            return self.reply(waiter, request.refused(ErrorCode::ConcurrentTransactions));
        }
        entry.waiting.push_back(Waiting {
            waiter,
            request,
            until,
        });
        self.schedule_waiting(id);
    }

    fn schedule_waiting(&mut self, id: &Arc<str>) {
        let entry = self.entries.get(id);
        let until = entry.and_then(|entry| entry.waiting.front().map(|first| first.until));
        self.timers.set(Timer::Waiting(Arc::clone(id)), until);
    }

    fn wait_for_id(&mut self, waiter: Waiter, request: Request) {
        if self.waiting_for_id.len() >= WAITING_FOR_ID_MAX {
            let error = ErrorCode::CoordinatorNotAvailable;
            return self.reply(waiter, request.refused(error));
        }
        self.waiting_for_id.push_back((waiter, request));
        self.want_id();
    }

    pub(super) fn want_id(&mut self) {
        self.ids_wanted += 1;
        self.effects.push(Effect::NewProducerId);
    }

    fn got_producer_id(&mut self, result: Result<ProducerId, ErrorCode>) {
        self.ids_wanted = self.ids_wanted.saturating_sub(1);
        if self.phase != Phase::Active {
            return;
        }
        match result {
            Ok(id) => {
                if self.spare_ids.len() < SPARE_IDS_MAX {
                    self.spare_ids.push_back(id);
                }
                if let Some((waiter, request)) = self.waiting_for_id.pop_front() {
                    self.request(waiter, request);
                }
            }
            Err(error) => {
                if let Some((waiter, request)) = self.waiting_for_id.pop_front() {
                    self.reply(waiter, request.refused(error));
                }
            }
        }
    }

    /// Takes up what a state asks for: a timeout, or markers.
    pub(super) fn enter_state(&mut self, id: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(id) else {
            return;
        };
        let Some(transaction) = &entry.transaction else {
            if entry.waiting.is_empty() {
                self.forget(id);
            }
            return;
        };
        transaction.check_invariants();
        let deadline = transaction.deadline();
        entry.unmarked = if transaction.is_deciding() {
            transaction.metadata.partitions.clone()
        } else {
            BTreeSet::new()
        };
        entry.failed_tries = 0;
        let is_deciding = transaction.is_deciding();
        self.timers.set(Timer::Abort(Arc::clone(id)), deadline);
        self.timers.set(Timer::Retry(Arc::clone(id)), None);
        if is_deciding {
            self.write_markers(id);
        }
    }

    /// Decides on what waits for an id, as far as it need not wait any longer.
    pub(super) fn serve_waiting(&mut self, id: &Arc<str>) {
        loop {
            let Some(entry) = self.entries.get_mut(id) else {
                return;
            };
            if entry.in_flight.is_some() {
                break;
            }
            let is_deciding = entry
                .transaction
                .as_ref()
                .is_some_and(Transaction::is_deciding);
            // What waits for the end of the transaction stays where it is.
            let position = if is_deciding {
                entry.waiting.iter().position(|waiting| {
                    let verdict = decide(
                        &Circumstances {
                            config: &self.config,
                            now: self.now,
                            transaction: entry.transaction.as_ref(),
                            spare_producer_id: self.spare_ids.front().copied(),
                        },
                        &waiting.request,
                    );
                    verdict != Verdict::Wait
                })
            } else {
                (!entry.waiting.is_empty()).then_some(0)
            };
            let Some(waiting) = position.and_then(|at| entry.waiting.remove(at)) else {
                break;
            };
            self.dispatch_again(id, waiting);
        }
        self.schedule_waiting(id);
        let is_empty = |entry: &Entry| {
            entry.transaction.is_none() && entry.in_flight.is_none() && entry.waiting.is_empty()
        };
        if self.entries.get(id).is_some_and(is_empty) {
            self.forget(id);
        }
    }

    /// Decides on a request that has waited; it keeps its place and its time where it has to wait
    /// again.
    fn dispatch_again(&mut self, id: &Arc<str>, waiting: Waiting) {
        let current = self.transaction(id).cloned();
        match self.decide(current.as_ref(), &waiting.request) {
            Verdict::Wait => self.put_back(id, waiting),
            Verdict::StoreAndWait(state) => {
                self.store(id, vec![state], Vec::new());
                self.put_back(id, waiting);
            }
            _ => self.dispatch(waiting.waiter, waiting.request),
        }
    }

    fn put_back(&mut self, id: &Arc<str>, waiting: Waiting) {
        let entry = self.entries.entry(Arc::clone(id)).or_default();
        entry.waiting.push_front(waiting);
    }

    fn forget(&mut self, id: &Arc<str>) {
        self.entries.remove(id);
        for timer in [Timer::Abort, Timer::Retry, Timer::Waiting] {
            self.timers.set(timer(Arc::clone(id)), None);
        }
    }

    pub(super) fn reply(&mut self, waiter: Waiter, response: Response) {
        self.effects.push(Effect::Reply { waiter, response });
    }

    /// Asserts what holds between steps.
    ///
    /// # Panics
    /// Where it does not.
    pub fn check_invariants(&self) {
        assert!(self.effects.is_empty(), "effects between steps");
        self.timers.check_invariants();
        for (id, entry) in &self.entries {
            if let Some(token) = entry.in_flight {
                let in_flight = self.in_flight.get(&token);
                let is_in = |of: &InFlight| of.states.iter().any(|(of, _)| of == id);
                assert!(in_flight.is_some_and(is_in), "append of {id}");
            }
            assert!(
                entry.waiting.len() <= self.config.waiting_max,
                "{id}: too many wait"
            );
            if let Some(transaction) = &entry.transaction {
                transaction.check_invariants();
                assert!(
                    entry.unmarked.is_subset(&transaction.metadata.partitions),
                    "{id}: markers for others"
                );
            }
        }
        assert!(
            self.waiting_for_id.len() <= self.ids_wanted,
            "nobody brings the ids"
        );
    }
}
