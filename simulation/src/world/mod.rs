//! The world: one broker, its disk, the network, the clients, and time.

mod faults;
mod people;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::broker::{Broker, Input, Output};
use crate::checker::{Function, Kind, check};
use crate::client::{Action, Client, Context};
use crate::fault::{self, Fault};
use crate::invariant;
use crate::layout::Layout;
use crate::message::{Request, Response};
use crate::network::{Network, Way};
use crate::queue::Queue;
use crate::random::Random;
use crate::record::{Note, key};
use crate::run::Options;
use crate::trace::Trace;
use crate::truth::Truth;

/// Milliseconds that everything has to come to rest once faults have stopped.
pub(crate) const CONVERGENCE_MS: i64 = 60_000;
/// Milliseconds until a connection to a broker that is down is refused.
const REFUSED_MS: i64 = 40;
/// Events of a run at most: beyond, something goes round in circles.
const EVENTS_MAX: u64 = 400_000;

#[derive(Debug)]
enum Event {
    Fault(usize),
    EndFault(faults::End),
    /// A request comes to the broker.
    Arrive {
        id: u64,
        wire: usize,
        connection: u64,
        request: Box<Request>,
    },
    /// An answer comes to a client.
    Answer {
        id: u64,
        response: Response,
    },
    Wake {
        client: usize,
        incarnation: u64,
        tag: u64,
    },
    StartClient(usize),
    Broker {
        incarnation: u64,
        input: Input,
    },
    StartBroker,
}

/// Requests of one connection in order, with their answers.
type Answers = VecDeque<(u64, Option<Response>)>;

/// A request that has no answer yet.
#[derive(Clone, Copy, Debug)]
struct Origin {
    client: usize,
    incarnation: u64,
    call: u64,
    wire: usize,
    connection: u64,
}

#[derive(Debug)]
struct Process {
    client: Box<dyn Client>,
    incarnation: u64,
    is_up: bool,
    paused_until: i64,
    next_call: u64,
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: i64,
    queue: Queue<Event>,
    random: Random,
    network: Network,
    broker: Broker,
    is_broker_up: bool,
    broker_incarnation: u64,
    processes: Vec<Process>,
    pending: BTreeMap<u64, Origin>,
    /// By wire and connection the requests that the broker has taken, in order, with their answers:
    /// these leave in that order.
    answers: BTreeMap<(usize, u64), Answers>,
    next_id: u64,
    pub(crate) faults: Vec<Fault>,
    kept: BTreeSet<usize>,
    until: i64,
    is_healed: bool,
    memory: invariant::Memory,
    pub(crate) truth: Truth,
    pub(crate) trace: Trace,
    pub(crate) events: u64,
}

impl World {
    /// The world of a seed.
    pub(crate) fn new(seed: u64, options: &Options) -> Self {
        let mut random = Random::new(seed);
        let layout = Layout::new([1500, 4000, 30_000, 1 << 20][random.index(4)]);
        let until = random.between(5_000, 40_000);
        let clients = people::draw(&mut random);
        let mut fault_random = random.fork();
        let faults = fault::draw(&mut fault_random, clients.len(), until);
        let kept = (0..faults.len())
            .filter(|number| !options.without_faults.contains(number))
            .collect();
        let broker = Broker::new(layout, &mut random);
        let processes = clients.into_iter().enumerate();
        let processes = processes
            .filter(|(number, _)| !options.without_clients.contains(number))
            .map(|(_, client)| Process {
                client,
                incarnation: 0,
                is_up: false,
                paused_until: 0,
                next_call: 0,
            });
        Self {
            now: 0,
            queue: Queue::new(),
            network: Network::new(random.fork()),
            broker,
            is_broker_up: false,
            broker_incarnation: 0,
            processes: processes.collect(),
            pending: BTreeMap::new(),
            answers: BTreeMap::new(),
            next_id: 0,
            faults,
            kept,
            until: options.until_ms.map_or(until, |at| at.min(until)),
            is_healed: false,
            memory: invariant::Memory::default(),
            truth: Truth::default(),
            trace: Trace::new(options.keeps_trace),
            events: 0,
            random,
        }
    }

    /// Names of the clients.
    pub(crate) fn client_names(&self) -> Vec<String> {
        let processes = self.processes.iter();
        processes
            .map(|process| process.client.name().to_owned())
            .collect()
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        self.start_broker()?;
        for client in 0..self.processes.len() {
            let at = self.random.between(0, 500);
            self.queue.push(at, Event::StartClient(client));
        }
        for number in self.kept.clone() {
            let at = self.faults[number].at;
            if at < self.until {
                self.queue.push(at, Event::Fault(number));
            }
        }
        while let Some((at, event)) = self.queue.pop() {
            self.now = self.now.max(at);
            self.events += 1;
            if self.until <= self.now && !self.is_healed {
                self.heal();
            }
            self.handle(event)?;
            if let Some(violation) = self.truth.violations.first() {
                return Err(format!("client: {violation}"));
            }
            if self.is_healed && self.events.is_multiple_of(64) && self.is_at_rest() {
                break;
            }
            if self.until + CONVERGENCE_MS < self.now || EVENTS_MAX < self.events {
                return Err(self.not_at_rest());
            }
        }
        invariant::at_end(&self.broker, &self.truth)?;
        self.judge()
    }

    /// Reads everything once more, and has the history checked.
    fn judge(&mut self) -> Result<(), String> {
        let process = self.truth.process();
        self.truth.recorder.advance(self.now);
        for (partition, values) in invariant::last_reads(&self.broker)? {
            let how = (&partition, true);
            self.truth.polled(process, how, Kind::Invoke, &[]);
            self.truth.polled(process, how, Kind::Ok, &values);
            for kind in [Kind::Invoke, Kind::Ok] {
                let note = Note {
                    is_committed: true,
                    keys: vec![key(&partition)],
                    ..Note::new(process, kind, Function::Finish)
                };
                self.truth.recorder.note(note, None);
            }
        }
        let found = check(&self.truth.recorder.history);
        match found.iter().find(|anomaly| !anomaly.is_allowed()) {
            None => Ok(()),
            Some(anomaly) => Err(format!("checker: {anomaly}")),
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Fault(number) => self.fault(number)?,
            Event::EndFault(end) => self.end_fault(end),
            Event::Arrive {
                id,
                wire,
                connection,
                request,
            } => {
                if !self.network.is_reset(wire, connection) {
                    self.arrive(id, request)?;
                }
            }
            Event::Answer { id, response } => self.answer(id, response),
            Event::Wake {
                client,
                incarnation,
                tag,
            } => self.wake(client, incarnation, tag),
            Event::StartClient(client) => self.start_client(client),
            Event::Broker { incarnation, input } => {
                if self.is_broker_up && incarnation == self.broker_incarnation {
                    if input.is_message() {
                        self.trace.note(self.now, format_args!("  {input:?}"));
                    }
                    self.step_broker(input)?;
                }
            }
            Event::StartBroker => self.start_broker()?,
        }
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        self.is_broker_up
            && self.broker.is_at_rest()
            && self
                .processes
                .iter()
                .all(|process| process.is_up && process.client.is_idle())
    }

    fn not_at_rest(&self) -> String {
        let busy: Vec<_> = self
            .processes
            .iter()
            .filter(|process| !process.is_up || !process.client.is_idle())
            .map(|process| process.client.name())
            .collect();
        format!(
            "liveness: {} ms after the last fault busy: {busy:?}, broker up: {}, {}",
            self.now - self.until,
            self.is_broker_up,
            self.broker.describe_unrest()
        )
    }

    fn arrive(&mut self, id: u64, request: Box<Request>) -> Result<(), String> {
        let origin = self.pending.get(&id);
        if self.is_broker_up {
            if let Some(origin) = origin {
                let key = (origin.wire, origin.connection);
                self.answers.entry(key).or_default().push_back((id, None));
            }
            return self.step_broker(Input::Request { id, request });
        }
        let response = Response::Lost;
        self.queue
            .push(self.now + REFUSED_MS, Event::Answer { id, response });
        Ok(())
    }

    fn step_broker(&mut self, input: Input) -> Result<(), String> {
        let outputs = self.broker.step(self.now, input);
        if self.broker.failure.is_some() || self.broker.storage.is_off() {
            let reason = self.broker.failure.clone().unwrap_or_default();
            self.trace
                .note(self.now, format_args!("disk failed: {reason}"));
            let down_ms = self.random.between(100, 1500);
            self.stop_broker(true, down_ms);
            return Ok(());
        }
        self.carry_out(outputs);
        invariant::after_step(&self.broker, &mut self.memory)
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Later { after_ms, input } => {
                    let incarnation = self.broker_incarnation;
                    self.queue
                        .push(self.now + after_ms, Event::Broker { incarnation, input });
                }
                Output::Reply { id, response } => self.reply(id, response),
            }
        }
    }

    /// An answer is ready; it leaves after those to earlier requests of its connection.
    fn reply(&mut self, id: u64, response: Response) {
        let Some(origin) = self.pending.get(&id) else {
            return;
        };
        let (wire, connection) = (origin.wire, origin.connection);
        let Some(answers) = self.answers.get_mut(&(wire, connection)) else {
            return;
        };
        if let Some(slot) = answers.iter_mut().find(|(of, _)| *of == id) {
            slot.1 = Some(response);
        }
        while let Some((id, Some(response))) = answers.pop_front_if(|(_, it)| it.is_some()) {
            let arrives = self.network.send(wire, connection, Way::ToClient, self.now);
            if let Some(at) = arrives {
                self.queue.push(at, Event::Answer { id, response });
            }
        }
    }

    fn answer(&mut self, id: u64, response: Response) {
        let Some(origin) = self.pending.get(&id).copied() else {
            return;
        };
        let Some(process) = self.processes.get(origin.client) else {
            return;
        };
        if process.incarnation != origin.incarnation || !process.is_up {
            self.pending.remove(&id);
            return;
        }
        if self.now < process.paused_until {
            let at = process.paused_until;
            return self.queue.push(at, Event::Answer { id, response });
        }
        self.pending.remove(&id);
        let is_lost = matches!(response, Response::Lost);
        self.trace.note(
            self.now,
            format_args!(
                "{} #{} <- {}",
                process.client.name(),
                origin.call,
                brief(&response)
            ),
        );
        if is_lost {
            self.reconnect(origin.wire, origin.connection);
        }
        self.with_client(origin.client, |client, ctx| {
            client.answer(origin.call, response, ctx);
        });
    }

    /// The client gives a connection up, and with it all that it waits for there.
    fn reconnect(&mut self, wire: usize, connection: u64) {
        self.answers.remove(&(wire, connection));
        if connection == self.network.connection(wire) {
            self.network.reconnect(wire);
        }
        for (id, origin) in &self.pending {
            if origin.wire == wire && origin.connection == connection {
                let response = Response::Lost;
                self.queue
                    .push(self.now, Event::Answer { id: *id, response });
            }
        }
    }

    fn wake(&mut self, client: usize, incarnation: u64, tag: u64) {
        let Some(process) = self.processes.get(client) else {
            return;
        };
        if process.incarnation != incarnation || !process.is_up {
            return;
        }
        if self.now < process.paused_until {
            let at = process.paused_until;
            let event = Event::Wake {
                client,
                incarnation,
                tag,
            };
            return self.queue.push(at, event);
        }
        self.with_client(client, |client, ctx| client.wake(tag, ctx));
    }

    fn start_client(&mut self, client: usize) {
        let Some(process) = self.processes.get_mut(client) else {
            return;
        };
        if process.is_up {
            return;
        }
        process.is_up = true;
        process.incarnation += 1;
        let name = process.client.name();
        self.trace.note(self.now, format_args!("{name} starts"));
        self.network.reconnect(2 * client);
        self.network.reconnect(2 * client + 1);
        self.with_client(client, |client, ctx| client.start(ctx));
    }

    fn with_client(&mut self, number: usize, call: impl FnOnce(&mut dyn Client, &mut Context<'_>)) {
        let Some(process) = self.processes.get_mut(number) else {
            return;
        };
        self.truth.recorder.advance(self.now);
        let mut ctx = Context {
            now: self.now,
            random: &mut self.random,
            truth: &mut self.truth,
            next_call: &mut process.next_call,
            actions: Vec::new(),
        };
        call(&mut *process.client, &mut ctx);
        let incarnation = process.incarnation;
        for action in ctx.actions {
            match action {
                Action::Wake { after_ms, tag } => {
                    let event = Event::Wake {
                        client: number,
                        incarnation,
                        tag,
                    };
                    self.queue.push(self.now + after_ms, event);
                }
                Action::Send {
                    call,
                    request,
                    timeout_ms,
                } => self.send(number, call, request, timeout_ms),
            }
        }
    }

    fn send(&mut self, client: usize, call: u64, request: Box<Request>, timeout_ms: i64) {
        let Some(process) = self.processes.get(client) else {
            return;
        };
        // One connection for data, and one to coordinators.
        let wire = 2 * client + usize::from(request.is_for_coordinator());
        let connection = self.network.connection(wire);
        let id = self.next_id;
        self.next_id += 1;
        let origin = Origin {
            client,
            incarnation: process.incarnation,
            call,
            wire,
            connection,
        };
        self.pending.insert(id, origin);
        self.trace.note(
            self.now,
            format_args!(
                "{} #{call} -> {}{}",
                process.client.name(),
                request.name(),
                request.detail()
            ),
        );
        let arrives = self.network.send(wire, connection, Way::ToBroker, self.now);
        if let Some(at) = arrives {
            let event = Event::Arrive {
                id,
                wire,
                connection,
                request,
            };
            self.queue.push(at, event);
        }
        let response = Response::Lost;
        self.queue
            .push(self.now + timeout_ms, Event::Answer { id, response });
    }
}

/// An answer in a few words, for traces.
fn brief(response: &Response) -> String {
    match response {
        Response::Fetched(fetched) => format!(
            "fetched {} of {} bytes, start {}, stable {}, hw {}",
            fetched.error.name(),
            fetched.records.len(),
            fetched.log_start,
            fetched.last_stable,
            fetched.high_watermark
        ),
        other => format!("{other:?}"),
    }
}
