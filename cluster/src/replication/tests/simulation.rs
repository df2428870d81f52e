//! Three replicas, a controller and random events; whatever happens, nothing that was committed is
//! lost or changed.

use std::collections::BTreeMap;

use milena_protocol::config::Durability;
use milena_protocol::{BrokerId, LeaderEpoch, Offset, Timestamp};
use proptest::prelude::*;

use super::{LAG_MAX_MS, replica, settings};
use crate::replication::*;

/// A record: the epoch it was written in and its value.
type Record = (LeaderEpoch, u32);

#[derive(Clone, Copy, Debug)]
enum Event {
    Append(usize),
    Flush(usize),
    Fetch(usize),
    Elapse(i64),
    /// The broker loses what it has not flushed and registers again.
    Crash(usize),
    Elect(usize),
    /// The controller gets what the broker asked for, and answers.
    Alter(usize),
    /// As `Alter`, but the answer is lost: only the metadata tells.
    AlterUnheard(usize),
    Metadata(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let broker = 0_usize..3;
    prop_oneof![
        4 => broker.clone().prop_map(Event::Append),
        3 => broker.clone().prop_map(Event::Flush),
        8 => broker.clone().prop_map(Event::Fetch),
        1 => (1..LAG_MAX_MS).prop_map(Event::Elapse),
        1 => broker.clone().prop_map(Event::Crash),
        1 => broker.clone().prop_map(Event::Elect),
        3 => broker.clone().prop_map(Event::Alter),
        1 => broker.clone().prop_map(Event::AlterUnheard),
        3 => broker.prop_map(Event::Metadata),
    ]
}

#[derive(Debug)]
struct Broker {
    log: Vec<Record>,
    core: Partition,
    broker_epoch: i64,
}

#[derive(Debug)]
struct World {
    brokers: Vec<Broker>,
    state: Assignment,
    /// What each broker has asked for and not been answered.
    asked: [Option<AlterPartition>; 3],
    now: Timestamp,
    next_value: u32,
    durability: Durability,
    /// Every record that any leader has called committed, by offset.
    committed: BTreeMap<i64, Record>,
}

fn id(index: usize) -> BrokerId {
    replica(i32::try_from(index).expect("small") + 1).id
}

fn end(log: &[Record]) -> Offset {
    Offset(i64::try_from(log.len()).expect("small"))
}

/// End of the largest epoch that is at most `epoch`; where all are larger, the start of the first.
fn epoch_end(log: &[Record], epoch: LeaderEpoch) -> Option<EpochEnd> {
    let count = log.iter().filter(|(one, _)| *one <= epoch).count();
    let (first, _) = log.get(count.saturating_sub(1))?;
    Some(EpochEnd {
        epoch: if count == 0 { epoch } else { *first },
        end_offset: Offset(i64::try_from(count).expect("small")),
    })
}

impl World {
    fn new(durability: Durability) -> Self {
        let brokers = (0..3)
            .map(|index| {
                let positions = super::positions(0, 0);
                Broker {
                    log: Vec::new(),
                    core: Partition::new(id(index), settings(durability, 2), positions),
                    broker_epoch: replica(id(index).0).broker_epoch.0,
                }
            })
            .collect();
        let mut world = Self {
            brokers,
            state: super::assignment(1, 0, 0, &[1, 2, 3]),
            asked: [None, None, None],
            now: Timestamp(0),
            next_value: 0,
            durability,
            committed: BTreeMap::new(),
        };
        for index in 0..3 {
            world.tell(index);
        }
        world
    }

    fn tell(&mut self, index: usize) {
        let core = &mut self.brokers[index].core;
        let told = if self.state.leader == id(index) {
            core.become_leader(&self.state, self.now)
        } else {
            core.become_follower(&self.state)
        };
        told.expect("the metadata only gets newer");
    }

    fn ask(&mut self, index: usize, alter: Option<AlterPartition>) {
        if alter.is_some() {
            self.asked[index] = alter;
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Append(index) => self.append(index),
            Event::Flush(index) => {
                let broker = &mut self.brokers[index];
                broker.core.on_local_flushed(end(&broker.log));
            }
            Event::Fetch(index) => self.fetch(index),
            Event::Elapse(ms) => {
                self.now = self.now.plus_ms(ms);
                for index in 0..3 {
                    let lag = self.brokers[index].core.check_lag(self.now);
                    self.ask(index, lag.alter);
                }
            }
            Event::Crash(index) => self.crash(index),
            Event::Elect(index) => self.elect(index),
            Event::Alter(index) => self.alter(index, true),
            Event::AlterUnheard(index) => self.alter(index, false),
            Event::Metadata(index) => self.tell(index),
        }
        self.check();
    }

    fn append(&mut self, index: usize) {
        let broker = &mut self.brokers[index];
        if broker.core.is_leader() && broker.core.has_isr_quorum() {
            broker
                .log
                .push((broker.core.leader_epoch(), self.next_value));
            self.next_value += 1;
            broker.core.on_local_append(end(&broker.log));
        }
    }

    fn fetch(&mut self, index: usize) {
        let broker = &self.brokers[index];
        let latest = broker
            .log
            .last()
            .map_or(LeaderEpoch::NONE, |(epoch, _)| *epoch);
        let Some(asked) = broker.core.fetch_position(latest) else {
            return;
        };
        let leader_index = usize::try_from(broker.core.leader().0 - 1).expect("a broker");
        let fetch = FollowerFetch {
            replica: id(index),
            broker_epoch: milena_protocol::BrokerEpoch(broker.broker_epoch),
            current_leader_epoch: asked.current_leader_epoch,
            offset: asked.offset,
            last_fetched_epoch: asked.last_fetched_epoch,
            epoch_end: epoch_end(&self.brokers[leader_index].log, asked.last_fetched_epoch),
            log_start: asked.log_start,
            flushed: asked.flushed,
        };
        let leader = &mut self.brokers[leader_index];
        let fetched = leader.core.on_follower_fetch(&fetch, self.now);
        let high_watermark = leader.core.high_watermark();
        let from = usize::try_from(asked.offset.0).expect("an offset");
        let records: Vec<Record> = leader.log.iter().skip(from).take(2).copied().collect();
        let (error, fetched) = match fetched {
            Ok(fetched) => (milena_protocol::ErrorCode::None, fetched),
            Err(error) => (error, Fetched::default()),
        };
        self.ask(leader_index, fetched.alter);
        let broker = &mut self.brokers[index];
        let next = broker.core.on_leader_answer(&LeaderAnswer {
            asked,
            error,
            diverging: fetched.diverging,
            own_epoch_end: fetched
                .diverging
                .and_then(|diverging| epoch_end(&broker.log, diverging.epoch)),
            batches_leader_epoch: records
                .iter()
                .map(|(epoch, _)| *epoch)
                .max()
                .unwrap_or(LeaderEpoch::NONE),
        });
        match next {
            Next::Append => {
                broker.log.extend(records);
                broker.core.on_replicated(end(&broker.log), high_watermark);
            }
            Next::Truncate(to) => {
                broker
                    .log
                    .truncate(usize::try_from(to.0).expect("an offset"));
                broker.core.on_truncated(to);
            }
            // The other log does not reach back to ours, or ours is longer than it without an
            // epoch in common: start over, as the log starts at 0 everywhere.
            Next::FindStart => {
                broker.log.clear();
                broker.core.on_started_over(Offset(0));
            }
            Next::WaitForMetadata | Next::Retry | Next::Drop => {}
        }
    }

    /// The broker stops and comes back: it keeps what it has flushed, or everything where page
    /// caches are trusted. The controller takes it out of the ISR before it is back.
    fn crash(&mut self, index: usize) {
        let is_in_sync = self.state.isr.contains(&id(index));
        if is_in_sync && self.state.isr.len() == 1 {
            // The last one is not taken out; it would keep what counts.
            return;
        }
        let durability = self.durability;
        let broker = &mut self.brokers[index];
        let flushed = broker.core.positions().flushed;
        if durability == Durability::Persisted {
            broker
                .log
                .truncate(usize::try_from(flushed.0).expect("an offset"));
        }
        let log_end = end(&broker.log);
        let positions = Positions {
            log_start: Offset(0),
            // The checkpoint may be older than what was known.
            high_watermark: Offset(broker.core.high_watermark().0 / 2).min(log_end),
            flushed: log_end,
            log_end,
        };
        broker.core = Partition::new(id(index), settings(durability, 2), positions);
        broker.broker_epoch += 1000;
        self.asked[index] = None;
        let registered = milena_protocol::BrokerEpoch(broker.broker_epoch);
        for replica in &mut self.state.replicas {
            if replica.id == id(index) {
                replica.broker_epoch = registered;
            }
        }
        self.state.isr.retain(|one| *one != id(index));
        self.state.partition_epoch += 1;
        if self.state.leader == id(index) {
            self.state.leader = self.state.isr[0];
            self.state.leader_epoch = LeaderEpoch(self.state.leader_epoch.0 + 1);
        }
        self.tell(index);
    }

    fn elect(&mut self, index: usize) {
        if self.state.isr.contains(&id(index)) && self.state.leader != id(index) {
            self.state.leader = id(index);
            self.state.leader_epoch = LeaderEpoch(self.state.leader_epoch.0 + 1);
            self.state.partition_epoch += 1;
        }
    }

    /// The rules of the controller for AlterPartition.
    fn alter(&mut self, index: usize, is_heard: bool) {
        let Some(asked) = self.asked[index].take() else {
            return;
        };
        let epochs = self.state.replicas.iter();
        let epochs: BTreeMap<_, _> = epochs.map(|one| (one.id, one.broker_epoch)).collect();
        let error = if asked.leader_epoch != self.state.leader_epoch {
            Some(milena_protocol::ErrorCode::FencedLeaderEpoch)
        } else if asked.partition_epoch != self.state.partition_epoch {
            Some(milena_protocol::ErrorCode::InvalidUpdateVersion)
        } else if asked.isr.iter().any(|(id, epoch)| epochs[id] != *epoch) {
            Some(milena_protocol::ErrorCode::IneligibleReplica)
        } else {
            None
        };
        if error.is_none() {
            self.state.isr = asked.isr.iter().map(|(id, _)| *id).collect();
            self.state.partition_epoch += 1;
        }
        let result = error.map_or_else(
            || {
                Ok(Committed {
                    leader_epoch: self.state.leader_epoch,
                    partition_epoch: self.state.partition_epoch,
                    isr: self.state.isr.clone(),
                })
            },
            Err,
        );
        if !is_heard && result.is_err() {
            // Asked again, as after any answer that was lost.
            self.asked[index] = Some(asked);
        } else if is_heard {
            self.brokers[index].core.on_alter_result(&asked, result);
        }
    }

    fn check(&mut self) {
        for broker in &self.brokers {
            broker.core.check_invariants();
            assert_eq!(broker.core.positions().log_end, end(&broker.log));
            let high_watermark = usize::try_from(broker.core.high_watermark().0).expect("positive");
            for (offset, record) in broker.log.iter().take(high_watermark).enumerate() {
                let offset = i64::try_from(offset).expect("small");
                let known = *self.committed.entry(offset).or_insert(*record);
                assert_eq!(known, *record, "offset {offset} has two committed values");
            }
        }
        // Whoever may be elected has everything that was committed, and can be elected.
        for index in 0..3 {
            if self.state.isr.contains(&id(index)) {
                let log = &self.brokers[index].log;
                for (offset, record) in &self.committed {
                    let found = log.get(usize::try_from(*offset).expect("small"));
                    assert_eq!(found, Some(record), "{} lacks {offset}", id(index));
                }
            }
        }
    }
}

fn run(durability: Durability, events: &[Event]) -> usize {
    let mut world = World::new(durability);
    for event in events {
        world.step(*event);
    }
    // Once faults have stopped, everybody gets everything.
    for _ in 0..4 {
        (0..3).for_each(|index| world.step(Event::Metadata(index)));
        for _ in 0..2 * world.next_value + 10 {
            for index in 0..3 {
                world.step(Event::Fetch(index));
                world.step(Event::Flush(index));
            }
            (0..3).for_each(|index| world.step(Event::Alter(index)));
        }
        world.step(Event::Elapse(1));
    }
    let longest = world.brokers.iter().map(|broker| broker.log.len()).max();
    for broker in &world.brokers {
        assert_eq!(Some(broker.log.len()), longest);
        assert_eq!(broker.core.high_watermark(), end(&broker.log));
    }
    assert_eq!(world.state.isr.len(), 3);
    world.committed.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn committed_records_survive_with_persisted(events in proptest::collection::vec(event(), 1..120)) {
        run(Durability::Persisted, &events);
    }

    #[test]
    fn committed_records_survive_with_replicated(events in proptest::collection::vec(event(), 1..120)) {
        run(Durability::Replicated, &events);
    }
}

#[test]
fn quiet_world_commits_everything() {
    let events: Vec<Event> = (0..30).map(|_| Event::Append(0)).collect();
    assert_eq!(run(Durability::Persisted, &events), 30);
}
