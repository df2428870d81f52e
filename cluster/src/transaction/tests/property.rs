//! Random clients, crashes and lost messages.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::Config as Runs;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Init(bool),
    Add(usize, i32, i16),
    End(usize, bool, i16),
    Commit,
    Refuse,
    Mark,
    MarkTwice,
    MarkFails,
    Pass(i64),
    Reload,
    TimeOut,
}

fn step() -> impl Strategy<Value = Step> {
    let version = prop_oneof![4 => Just(2_i16), 1 => Just(0)];
    prop_oneof![
        2 => any::<bool>().prop_map(Step::Init),
        6 => (0..3_usize, 0..4_i32, version.clone()).prop_map(|(a, b, c)| Step::Add(a, b, c)),
        5 => (0..3_usize, any::<bool>(), version).prop_map(|(a, b, c)| Step::End(a, b, c)),
        14 => Just(Step::Commit),
        1 => Just(Step::Refuse),
        6 => Just(Step::Mark),
        1 => Just(Step::MarkTwice),
        1 => Just(Step::MarkFails),
        2 => (1..70_000_i64).prop_map(Step::Pass),
        1 => Just(Step::Reload),
        1 => Just(Step::TimeOut),
    ]
}

/// What the log says of ends: by producer and epoch of the markers.
#[derive(Default)]
struct Oracle {
    decisions: BTreeMap<(ProducerId, ProducerEpoch, i64), bool>,
    /// Number of the transaction, counted by decisions.
    count: i64,
    read: usize,
    last: Option<TransactionMetadata>,
    /// Every producer that was ever answered, the newest last.
    producers: Vec<Producer>,
    /// What was asked and is not answered.
    asked: BTreeMap<Waiter, Request>,
    /// Partitions of the ends, as far as they have their marker: producer, outcome, partition.
    marked: BTreeSet<(
        ProducerId,
        ProducerEpoch,
        bool,
        milena_protocol::TopicPartition,
    )>,
}

impl Oracle {
    /// Reads on in the log: states follow each other as they may, and epochs never go back.
    fn follow(&mut self, log: &[Record]) {
        for record in &log[self.read..] {
            let Record::Transaction { metadata, .. } = record else {
                panic!("another record");
            };
            if let (Some(before), Some(after)) = (&self.last, metadata) {
                check_transition(before, after);
                self.check_completion(before, after);
            }
            if let Some(metadata) = metadata
                && matches!(metadata.state, State::PrepareCommit | State::PrepareAbort)
            {
                self.count += 1;
                let key = (metadata.producer_id, metadata.producer_epoch, self.count);
                self.decisions
                    .insert(key, metadata.state == State::PrepareCommit);
            }
            self.last.clone_from(metadata);
        }
        self.read = log.len();
    }

    /// Whatever is complete has a marker in each of its partitions.
    fn check_completion(&self, before: &TransactionMetadata, after: &TransactionMetadata) {
        let is_commit = match after.state {
            State::CompleteCommit => true,
            State::CompleteAbort => false,
            _ => return,
        };
        for partition in &before.partitions {
            let of = (
                before.producer_id,
                before.producer_epoch,
                is_commit,
                partition.clone(),
            );
            assert!(self.marked.contains(&of), "no marker in {partition}");
        }
    }

    /// An answer without an error is true of the log.
    fn check_answer(&self, request: &Request, response: &Response, log: &[Record]) {
        let states = log.iter().filter_map(|record| match record {
            Record::Transaction { metadata, .. } => metadata.as_ref(),
            Record::Unknown { .. } => None,
        });
        match (request, response) {
            (Request::Add(asked), Response::Add(ErrorCode::None)) => {
                let holds = |state: &TransactionMetadata| {
                    state.state == State::Ongoing
                        && state.producer_id == asked.producer.id
                        && state.producer_epoch == asked.producer.epoch
                        && asked.partitions.is_subset(&state.partitions)
                };
                assert!(states.into_iter().any(holds), "{asked:?}");
            }
            (Request::End(asked), Response::End(done)) if done.error == ErrorCode::None => {
                let bump = i16::from(asked.transaction_version >= 2);
                let epoch = ProducerEpoch(asked.producer.epoch.0 + bump);
                let its = |state: &&TransactionMetadata| {
                    (state.producer_id, state.producer_epoch) == (asked.producer.id, epoch)
                };
                let end_of = |state: &TransactionMetadata| match state.state {
                    State::PrepareCommit => Some(true),
                    State::PrepareAbort => Some(false),
                    // Without new epochs a repetition cannot be told from a second end.
                    State::CompleteCommit if bump == 0 => Some(true),
                    State::CompleteAbort if bump == 0 => Some(false),
                    _ => None,
                };
                let ends: Vec<bool> = states
                    .filter(its)
                    .filter(|state| bump == 0 || state.client_transaction_version == 2)
                    .filter_map(end_of)
                    .collect();
                assert!(ends.contains(&asked.is_commit), "{asked:?}: {ends:?}");
                assert!(bump == 0 || ends.len() == 1, "{asked:?}: {ends:?}");
            }
            _ => {}
        }
    }

    fn mark(&mut self, markers: &Markers) {
        for partition in &markers.partitions {
            self.marked.insert((
                markers.producer_id,
                markers.producer_epoch,
                markers.is_commit,
                partition.clone(),
            ));
        }
    }

    fn ask(&mut self, world: &mut World, request: Request) {
        let waiter = world.ask(request.clone());
        self.asked.insert(waiter, request);
    }

    fn check_markers(&self, markers: &Markers) {
        let newest = self
            .decisions
            .iter()
            .filter(|((id, epoch, _), _)| {
                *id == markers.producer_id && *epoch == markers.producer_epoch
            })
            .max_by_key(|((_, _, number), _)| *number);
        let (_, is_commit) = newest.expect("markers of no decision");
        assert_eq!(*is_commit, markers.is_commit, "{markers:?}");
    }
}

fn check_transition(before: &TransactionMetadata, after: &TransactionMetadata) {
    use State::{CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit};
    let may = match after.state {
        Empty => matches!(before.state, Empty | CompleteAbort | CompleteCommit),
        Ongoing => matches!(
            before.state,
            Ongoing | Empty | CompleteAbort | CompleteCommit
        ),
        PrepareCommit => before.state == Ongoing,
        PrepareAbort => !matches!(before.state, PrepareCommit | PrepareAbort),
        CompleteCommit => before.state == PrepareCommit,
        CompleteAbort => before.state == PrepareAbort,
        _ => false,
    };
    assert!(may, "{:?} after {:?}", after.state, before.state);
    if before.producer_id == after.producer_id {
        assert!(before.producer_epoch <= after.producer_epoch);
    } else {
        assert_eq!(after.producer_epoch, ProducerEpoch(0));
    }
    if after.state == Ongoing && before.state == Ongoing {
        assert!(before.partitions.is_subset(&after.partitions));
    }
    if matches!(after.state, PrepareCommit | PrepareAbort) {
        assert_eq!(before.partitions, after.partitions);
    }
}

fn take_replies(world: &mut World, oracle: &mut Oracle) {
    for (waiter, response) in std::mem::take(&mut world.replies) {
        let request = oracle.asked.remove(&waiter).expect("one answer");
        oracle.check_answer(&request, &response, &world.log);
        let producer = match response {
            Response::Init(done) if done.error == ErrorCode::None => done.producer,
            Response::End(done) if done.error == ErrorCode::None => done.producer,
            _ => continue,
        };
        // An answer leaves only after its record.
        let last = oracle.last.as_ref().expect("something is stored");
        let known = producer.id == last.producer_id && producer.epoch <= last.producer_epoch
            || producer.id == last.next_producer_id
            || producer.id == last.previous_producer_id;
        assert!(known, "{producer:?} is answered, stored is {last:?}");
        oracle.producers.push(producer);
    }
}

fn run(step: Step, world: &mut World, oracle: &mut Oracle) {
    let producers = oracle.producers.clone();
    let nth = |back: usize| {
        let at = producers.len().checked_sub(back + 1);
        at.map_or(producer(1, 0), |at| producers[at])
    };
    match step {
        Step::Init(expects) => {
            let expected = expects.then(|| nth(0));
            let request = InitProducerId { expected, ..init() };
            oracle.ask(world, Request::Init(request));
        }
        Step::Add(back, index, version) => {
            oracle.ask(world, add(nth(back), index, version));
        }
        Step::End(back, is_commit, version) => {
            oracle.ask(world, end(nth(back), is_commit, version));
        }
        Step::Commit if !world.appends.is_empty() => world.commit(),
        Step::Refuse if !world.appends.is_empty() => {
            world.refuse(ErrorCode::NotEnoughReplicas);
        }
        Step::Mark if !world.markers.is_empty() => {
            oracle.mark(&world.markers[0]);
            world.mark();
        }
        Step::MarkTwice if !world.markers.is_empty() => {
            let markers = world.markers[0].clone();
            oracle.mark(&markers);
            world.mark();
            world.marked(&markers, ErrorCode::None);
        }
        Step::MarkFails if !world.markers.is_empty() => {
            let markers = world.markers.remove(0);
            world.marked(&markers, ErrorCode::NotLeaderOrFollower);
        }
        Step::Pass(ms) => world.pass(ms),
        Step::Reload => {
            world.reload();
            oracle.asked.clear();
        }
        Step::TimeOut if !world.appends.is_empty() => {
            let token = world.appends[0].0;
            world.step(Event::TimedOut { token });
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(Runs { cases: 500, failure_persistence: None, ..Runs::default() })]

    #[test]
    fn whatever_happens_one_end_holds_and_the_log_is_the_state(
        steps in prop::collection::vec(step(), 1..120),
        epoch in prop_oneof![3 => Just(0_i16), 1 => (i16::MAX - 4)..i16::MAX],
    ) {
        let mut world = World::stored(config(), metadata(State::Empty, epoch));
        let mut oracle = Oracle::default();
        oracle.producers.push(producer(10, epoch));
        oracle.follow(&world.log);
        for step in steps {
            run(step, &mut world, &mut oracle);
            oracle.follow(&world.log);
            take_replies(&mut world, &mut oracle);
            for markers in &world.markers {
                oracle.check_markers(markers);
            }
            let mut replayed = Coordinator::new(config(), 1);
            for record in &world.log {
                replayed.apply(record.clone());
            }
            prop_assert!(replayed.has_same_records(&world.coordinator));
        }
        // When all is quiet, everything ends and nobody waits.
        world.settle();
        for _ in 0..8 {
            world.pass(60_000);
            world.settle();
        }
        let end = world.coordinator.transaction("a").unwrap();
        prop_assert!(!end.is_deciding() && end.state() != State::Ongoing, "{end:?}");
        prop_assert!(world.coordinator.entries.values().all(|entry| entry.waiting.is_empty()));
    }
}
