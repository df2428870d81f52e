//! A coordinator with a log that the tests commit by hand.

mod append;
mod bugs;
mod codes;
mod property;
mod refused;
mod spare_id;

use std::collections::BTreeSet;

use milena_protocol::stored::transaction::Record;
use milena_protocol::{ErrorCode, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp};

use super::*;

/// A coordinator, its committed log, and what it wants done.
#[derive(Debug)]
pub(super) struct World {
    pub(super) coordinator: Coordinator,
    pub(super) log: Vec<Record>,
    pub(super) now: Timestamp,
    pub(super) effects: Vec<Effect>,
    pub(super) replies: Vec<(Waiter, Response)>,
    pub(super) appends: Vec<(Token, Vec<Record>)>,
    pub(super) markers: Vec<Markers>,
    waiters: u64,
    ids: i64,
}

pub(super) fn config() -> Config {
    Config::default()
}

pub(super) fn partition(index: i32) -> milena_protocol::TopicPartition {
    milena_protocol::TopicPartition::new("t", PartitionIndex(index))
}

pub(super) fn producer(id: i64, epoch: i16) -> Producer {
    Producer {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
    }
}

pub(super) fn init() -> InitProducerId {
    InitProducerId {
        transactional_id: "a".to_owned(),
        timeout_ms: 60_000,
        expected: None,
        two_phase_commit: false,
        keep_prepared: false,
    }
}

pub(super) fn add(producer: Producer, index: i32, version: i16) -> Request {
    Request::Add(AddPartitions {
        transactional_id: "a".to_owned(),
        producer,
        partitions: [partition(index)].into(),
        transaction_version: version,
    })
}

pub(super) fn end(producer: Producer, is_commit: bool, version: i16) -> Request {
    Request::End(EndTransaction {
        transactional_id: "a".to_owned(),
        producer,
        is_commit,
        transaction_version: version,
    })
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        Self::loaded(config, Vec::new(), Timestamp(1_000))
    }

    /// A coordinator that was loaded from a log.
    pub(super) fn loaded(config: Config, log: Vec<Record>, now: Timestamp) -> Self {
        let mut coordinator = Coordinator::new(config, 5);
        for record in &log {
            coordinator.apply(record.clone());
        }
        let mut effects = Vec::new();
        coordinator.finish_loading(now, &mut effects);
        let mut world = Self {
            coordinator,
            log,
            now,
            effects,
            replies: Vec::new(),
            appends: Vec::new(),
            markers: Vec::new(),
            waiters: 0,
            ids: 100,
        };
        world.sort();
        world
    }

    /// A crash: what is not committed is lost.
    pub(super) fn reload(&mut self) {
        let config = self.coordinator.config.clone();
        let (ids, waiters) = (self.ids, self.waiters);
        *self = Self::loaded(config, std::mem::take(&mut self.log), self.now);
        self.ids = ids;
        self.waiters = waiters;
    }

    fn sort(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Append { token, records } => self.appends.push((token, records)),
                Effect::Reply { waiter, response } => self.replies.push((waiter, response)),
                Effect::WriteMarkers(markers) => self.markers.push(markers),
                Effect::NewProducerId => {
                    self.ids += 1;
                    self.step(Event::ProducerId(Ok(ProducerId(self.ids))));
                }
            }
        }
    }

    pub(super) fn step(&mut self, event: Event) {
        self.coordinator.step(self.now, event, &mut self.effects);
        self.coordinator.check_invariants();
        self.sort();
    }

    pub(super) fn ask(&mut self, request: Request) -> Waiter {
        self.waiters += 1;
        let waiter = Waiter(self.waiters);
        self.step(Event::Request { waiter, request });
        waiter
    }

    /// Commits the oldest append.
    pub(super) fn commit(&mut self) {
        let (token, records) = self.appends.remove(0);
        let offset = Offset(i64::try_from(self.log.len()).unwrap());
        self.log.extend(records);
        self.step(Event::Appended {
            token,
            result: Ok(offset),
        });
    }

    pub(super) fn refuse(&mut self, code: ErrorCode) {
        let (token, _) = self.appends.remove(0);
        self.step(Event::Appended {
            token,
            result: Err(code),
        });
    }

    pub(super) fn commit_all(&mut self) {
        while !self.appends.is_empty() {
            self.commit();
        }
    }

    /// Writes the oldest markers that are wanted.
    pub(super) fn mark(&mut self) {
        let markers = self.markers.remove(0);
        self.marked(&markers, ErrorCode::None);
    }

    pub(super) fn marked(&mut self, markers: &Markers, error: ErrorCode) {
        let results = markers.partitions.iter().map(|of| (of.clone(), error));
        self.step(Event::MarkersWritten {
            transactional_id: markers.transactional_id.clone(),
            producer_id: markers.producer_id,
            producer_epoch: markers.producer_epoch,
            results: results.collect(),
        });
    }

    /// Does all that is wanted.
    pub(super) fn settle(&mut self) {
        loop {
            self.commit_all();
            if self.markers.is_empty() {
                return;
            }
            self.mark();
        }
    }

    pub(super) fn pass(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
        while self
            .coordinator
            .next_deadline()
            .is_some_and(|end| end <= self.now)
        {
            self.step(Event::Tick);
        }
    }

    pub(super) fn take(&mut self, waiter: Waiter) -> Option<Response> {
        let at = self.replies.iter().position(|(of, _)| *of == waiter)?;
        Some(self.replies.remove(at).1)
    }

    /// Asks, does all that is wanted, and takes the answer.
    pub(super) fn get(&mut self, request: Request) -> Response {
        let waiter = self.ask(request);
        self.settle();
        self.take(waiter).expect("an answer")
    }

    pub(super) fn init(&mut self, request: InitProducerId) -> Producer {
        let Response::Init(done) = self.get(Request::Init(request)) else {
            panic!("another answer");
        };
        assert_eq!(done.error, ErrorCode::None);
        done.producer
    }

    pub(super) fn state(&self) -> State {
        self.coordinator.transaction("a").expect("known").state()
    }

    /// Puts the id into a state by records.
    pub(super) fn stored(config: Config, metadata: TransactionMetadata) -> Self {
        let record = Record::Transaction {
            transactional_id: "a".to_owned(),
            metadata: Some(metadata),
        };
        Self::loaded(config, vec![record], Timestamp(1_000))
    }
}

pub(super) fn metadata(state: State, epoch: i16) -> TransactionMetadata {
    let has_partitions = matches!(
        state,
        State::Ongoing | State::PrepareCommit | State::PrepareAbort
    );
    TransactionMetadata {
        producer_id: ProducerId(10),
        previous_producer_id: ProducerId(10),
        next_producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch(epoch),
        timeout_ms: 60_000,
        state,
        partitions: if has_partitions {
            [partition(0)].into()
        } else {
            BTreeSet::new()
        },
        last_update: Timestamp(1_000),
        start: if state == State::Empty {
            Timestamp::NONE
        } else {
            Timestamp(1_000)
        },
        client_transaction_version: 2,
    }
}

pub(super) fn ended(response: &Response) -> (ErrorCode, Producer) {
    match response {
        Response::End(ended) => (ended.error, ended.producer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_transaction_is_decided_marked_and_completed() {
    let mut world = World::new(config());
    let first = world.init(init());
    assert_eq!(first, producer(101, 0));
    assert_eq!(world.get(add(first, 0, 2)), Response::Add(ErrorCode::None));
    assert_eq!(world.get(add(first, 1, 2)), Response::Add(ErrorCode::None));

    let waiter = world.ask(end(first, true, 2));
    assert_eq!(world.take(waiter), None, "before the decision is committed");
    assert_eq!(world.markers, []);
    world.commit();
    let next = producer(101, 1);
    let answer = world.take(waiter).expect("an answer");
    assert_eq!(ended(&answer), (ErrorCode::None, next));
    let markers = world.markers[0].clone();
    assert_eq!(markers.producer_epoch, ProducerEpoch(1));
    assert_eq!(markers.coordinator_epoch, 5);
    assert_eq!(markers.partitions, [partition(0), partition(1)].into());
    assert!(markers.is_commit);
    world.mark();
    assert_eq!(world.state(), State::PrepareCommit);
    world.commit();
    assert_eq!(world.state(), State::CompleteCommit);
}

#[test]
fn the_next_transaction_waits_for_the_end_of_the_one_before_and_shares_its_append() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.ask(end(first, true, 2));
    world.commit();
    let next = producer(101, 1);
    let waiter = world.ask(add(next, 7, 2));
    assert_eq!(world.take(waiter), None);
    let records = world.log.len();
    world.mark();
    assert_eq!(world.appends.len(), 1);
    world.commit();
    assert_eq!(world.log.len(), records + 2, "complete and ongoing");
    assert_eq!(world.take(waiter), Some(Response::Add(ErrorCode::None)));
    assert_eq!(world.state(), State::Ongoing);
    let stored = world.coordinator.transaction("a").unwrap();
    assert_eq!(stored.metadata.partitions, [partition(7)].into());
}

#[test]
fn who_waits_too_long_is_told_to_come_again() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.ask(end(first, false, 2));
    world.commit();
    let waiter = world.ask(add(producer(101, 1), 7, 2));
    world.pass(1_999);
    assert_eq!(world.take(waiter), None);
    world.pass(1);
    let late = Response::Add(ErrorCode::ConcurrentTransactions);
    assert_eq!(world.take(waiter), Some(late));
    let mut waiters = Vec::new();
    for _ in 0..=config().waiting_max {
        waiters.push(world.ask(add(producer(101, 1), 7, 2)));
    }
    let last = waiters.pop().unwrap();
    let full = Response::Add(ErrorCode::ConcurrentTransactions);
    assert_eq!(world.take(last), Some(full));
    world.settle();
    for waiter in waiters {
        assert_eq!(world.take(waiter), Some(Response::Add(ErrorCode::None)));
    }
}

#[test]
fn a_new_instance_aborts_what_the_old_one_left_open() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    let second = world.init(init());
    assert_eq!(second, producer(101, 2));
    let (error, _) = ended(&world.get(end(first, true, 2)));
    assert_eq!(error, ErrorCode::ProducerFenced);
    let fenced = Response::Add(ErrorCode::ProducerFenced);
    assert_eq!(world.get(add(first, 0, 2)), fenced);
}

#[test]
fn an_open_transaction_is_aborted_at_its_timeout() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.pass(59_999);
    assert_eq!(world.appends.len(), 0);
    world.pass(1);
    world.settle();
    assert_eq!(world.state(), State::CompleteAbort);
    let (error, _) = ended(&world.get(end(first, true, 2)));
    assert_eq!(error, ErrorCode::ProducerFenced);
}

#[test]
fn a_two_phase_commit_has_no_timeout_and_wants_permission() {
    let mut world = World::new(config());
    let request = InitProducerId {
        two_phase_commit: true,
        timeout_ms: 1,
        ..init()
    };
    let Response::Init(refused) = world.get(Request::Init(request.clone())) else {
        panic!("another answer");
    };
    assert_eq!(refused.error, ErrorCode::TransactionalIdAuthorizationFailed);
    let mut world = World::new(Config {
        two_phase_commit: true,
        ..config()
    });
    let first = world.init(request);
    world.get(add(first, 0, 2));
    world.pass(i64::from(i32::MAX) * 2);
    assert_eq!(world.state(), State::Ongoing);
}

#[test]
fn ids_that_nobody_uses_are_removed() {
    let mut world = World::new(config());
    world.init(init());
    world.pass(config().expiration_ms + config().expiration_interval_ms);
    world.settle();
    assert!(world.coordinator.transaction("a").is_none());
    assert!(matches!(
        world.log.last(),
        Some(Record::Transaction { metadata: None, .. })
    ));
    assert_eq!(
        world.coordinator.describe("a"),
        Err(ErrorCode::TransactionalIdNotFound)
    );
}

#[test]
fn a_loaded_coordinator_writes_the_markers_of_what_is_decided() {
    for (state, is_commit) in [(State::PrepareCommit, true), (State::PrepareAbort, false)] {
        let mut world = World::stored(config(), metadata(state, 3));
        assert_eq!(world.markers[0].is_commit, is_commit);
        world.settle();
        assert!(!world.coordinator.transaction("a").unwrap().is_deciding());
    }
}

#[test]
fn markers_are_tried_until_each_partition_has_one_or_is_gone() {
    let mut world = World::new(config());
    let first = world.init(init());
    for index in 0..3 {
        world.get(add(first, index, 2));
    }
    world.ask(end(first, true, 2));
    world.commit();
    let markers = world.markers.remove(0);
    world.step(Event::MarkersWritten {
        transactional_id: "a".to_owned(),
        producer_id: markers.producer_id,
        producer_epoch: markers.producer_epoch,
        results: vec![
            (partition(0), ErrorCode::None),
            (partition(1), ErrorCode::UnknownTopicOrPartition),
            (partition(2), ErrorCode::NotLeaderOrFollower),
        ],
    });
    assert_eq!(world.markers, []);
    world.pass(config().retry_ms);
    assert_eq!(world.markers[0].partitions, [partition(2)].into());
    world.settle();
    assert_eq!(world.state(), State::CompleteCommit);
}

#[test]
fn a_refused_append_changes_nothing_and_is_told() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    let waiter = world.ask(end(first, true, 2));
    let behind = world.ask(add(first, 1, 2));
    world.refuse(ErrorCode::NotEnoughReplicas);
    let (error, _) = ended(&world.take(waiter).unwrap());
    assert_eq!(error, ErrorCode::CoordinatorNotAvailable);
    let refused = Response::Add(ErrorCode::CoordinatorNotAvailable);
    assert_eq!(world.take(behind), Some(refused));
    assert_eq!(world.state(), State::Ongoing);
    world.pass(config().retry_ms);
    let (error, _) = ended(&world.get(end(first, true, 2)));
    assert_eq!(error, ErrorCode::None);
}

#[test]
fn a_completion_that_cannot_be_stored_is_stored_later() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.ask(end(first, true, 2));
    world.commit();
    world.mark();
    world.refuse(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.state(), State::PrepareCommit);
    world.pass(config().retry_ms);
    world.settle();
    assert_eq!(world.state(), State::CompleteCommit);
}

#[test]
fn an_append_that_takes_long_is_told_of_and_may_still_end_well() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    let waiter = world.ask(end(first, true, 2));
    let token = world.appends[0].0;
    world.step(Event::TimedOut { token });
    let (error, _) = ended(&world.take(waiter).unwrap());
    assert_eq!(error, ErrorCode::CoordinatorNotAvailable);
    let again = world.ask(end(first, true, 2));
    world.settle();
    let answer = world.take(again).unwrap();
    assert_eq!(ended(&answer), (ErrorCode::None, producer(101, 1)));
}

#[test]
fn whoever_waits_hears_of_a_resignation() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    let ending = world.ask(end(first, true, 2));
    let waiting = world.ask(add(first, 1, 2));
    world.coordinator.resign(&mut world.effects);
    world.sort();
    let (error, _) = ended(&world.take(ending).unwrap());
    assert_eq!(error, ErrorCode::NotCoordinator);
    let gone = Response::Add(ErrorCode::NotCoordinator);
    assert_eq!(world.take(waiting), Some(gone.clone()));
    let late = world.ask(add(first, 1, 2));
    assert_eq!(world.take(late), Some(gone));
    let loading = Coordinator::new(config(), 1);
    assert_eq!(
        loading.describe("a"),
        Err(ErrorCode::CoordinatorLoadInProgress)
    );
}

#[test]
fn filters_of_the_list_hold_together() {
    let mut world = World::new(config());
    let first = world.init(init());
    world.get(add(first, 0, 2));
    world.now = world.now.plus_ms(1_000);
    let list = |filter: &Filter| world.coordinator.list(filter, world.now).unwrap().len();
    assert_eq!(list(&Filter::default()), 1);
    let states = |state| Filter {
        states: vec![state],
        ..Filter::default()
    };
    assert_eq!(list(&states(State::Ongoing)), 1);
    assert_eq!(list(&states(State::Empty)), 0);
    let lasting = |ms| Filter {
        duration_ms: Some(ms),
        ..Filter::default()
    };
    assert_eq!((list(&lasting(999)), list(&lasting(1_000))), (1, 0));
    let of = |id| Filter {
        producer_ids: vec![ProducerId(id)],
        ..Filter::default()
    };
    assert_eq!((list(&of(101)), list(&of(102))), (1, 0));
}

/// A coordinator must come up on any log.
#[test]
fn states_that_nobody_writes_are_loaded_as_something_else() {
    for state in State::ALL {
        let mut odd = metadata(state, 3);
        odd.partitions = [partition(0)].into();
        odd.start = Timestamp(5);
        let mut world = World::stored(config(), odd);
        world.coordinator.check_invariants();
        world.settle();
        assert_eq!(world.init(init()).id, ProducerId(10), "{state:?}");
    }
}
