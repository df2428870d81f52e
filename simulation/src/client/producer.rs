//! An idempotent producer: batches in flight by partition, retried in order until they are
//! acknowledged (KIP-98).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use milena_protocol::error_code::Class;
use milena_protocol::{ErrorCode, ProducerEpoch, ProducerId, Sequence, TopicPartition};

use super::{Client, Context};
use crate::layout;
use crate::message::{Request, Response};
use crate::truth::{Writer, batch};

const SEND: u64 = 0;
const INIT: u64 = 1;
/// Tags from here on: the partition of this number retries.
const RETRY: u64 = 16;

#[derive(Debug)]
struct Batch {
    values: Vec<u64>,
    sequence: Sequence,
    /// The call it is in; none while it waits.
    call: Option<u64>,
    /// It has been in a call before: it may be in the log.
    was_sent: bool,
}

#[derive(Debug, Default)]
struct Lane {
    batches: VecDeque<Batch>,
    next: i32,
    /// The oldest batch was acknowledged: the partition knew the producer for it.
    is_known: bool,
    /// Another one was acknowledged before the oldest.
    is_overtaken: bool,
    /// A batch is sent again: until it is acknowledged, nothing behind it leaves.
    is_retrying: bool,
}

/// The producer.
#[derive(Debug)]
pub(crate) struct Producer {
    name: String,
    process: u64,
    identity: Option<(ProducerId, ProducerEpoch)>,
    init: Option<u64>,
    lanes: BTreeMap<TopicPartition, Lane>,
    /// Batches in flight of one partition at most.
    depth: usize,
    left: u64,
    is_stopped: bool,
    /// Pauses before retries that are under way, by tag: one of each is enough.
    waits: BTreeSet<u64>,
}

impl Producer {
    /// A producer of so many batches.
    pub(crate) fn new(name: String, depth: usize, batches: u64) -> Self {
        Self {
            name,
            process: 0,
            identity: None,
            init: None,
            lanes: BTreeMap::new(),
            depth,
            left: batches,
            is_stopped: false,
            waits: BTreeSet::new(),
        }
    }

    fn back_off(&mut self, tag: u64, ctx: &mut Context<'_>) {
        if self.waits.insert(tag) {
            ctx.back_off(tag);
        }
    }

    fn init(&mut self, ctx: &mut Context<'_>) {
        self.identity = None;
        self.lanes.clear();
        self.process = ctx.truth.process();
        self.init = Some(ctx.send(Request::ProducerId));
    }

    fn send_next(&mut self, ctx: &mut Context<'_>) {
        let after_ms = ctx.random.between(5, 150);
        if self.is_stopped || self.left == 0 {
            return;
        }
        ctx.pause(after_ms, SEND);
        if self.identity.is_none() {
            return;
        }
        let index = i32::try_from(ctx.random.index(3)).unwrap_or(0);
        let partition = layout::partition(layout::INPUT, index % layout::PARTITIONS);
        let lane = self.lanes.entry(partition.clone()).or_default();
        if lane.batches.len() >= self.depth {
            return;
        }
        self.left -= 1;
        let count = ctx.random.between(1, 4);
        let values: Vec<u64> = (0..count)
            .map(|_| ctx.truth.send(self.process, &partition, None))
            .collect();
        ctx.truth.sending(&values);
        let sequence = Sequence(lane.next);
        lane.next += i32::try_from(count).unwrap_or(0);
        lane.batches.push_back(Batch {
            values,
            sequence,
            call: None,
            was_sent: false,
        });
        self.transmit(&partition, ctx);
    }

    /// Sends what waits, unless an older batch has to be sent again first.
    fn transmit(&mut self, partition: &TopicPartition, ctx: &mut Context<'_>) {
        let Some((id, epoch)) = self.identity else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(partition) else {
            return;
        };
        let most = if lane.is_retrying { 1 } else { usize::MAX };
        for waiting in lane.batches.iter_mut().take(most) {
            if waiting.call.is_none() {
                let writer = Writer {
                    id,
                    epoch,
                    sequence: waiting.sequence,
                    is_transactional: false,
                };
                let records = batch(&waiting.values, writer, ctx.random.index(300));
                let partition = partition.clone();
                waiting.was_sent = true;
                waiting.call = Some(ctx.send(Request::Produce {
                    partition,
                    records,
                    by: None,
                }));
            }
        }
    }

    fn produced(
        &mut self,
        partition: &TopicPartition,
        at: usize,
        result: Result<milena_protocol::Offset, ErrorCode>,
        ctx: &mut Context<'_>,
    ) {
        let Some(lane) = self.lanes.get_mut(partition) else {
            return;
        };
        let error = match result {
            Ok(base) => {
                if let Some(batch) = lane.batches.remove(at) {
                    ctx.truth.acknowledge(&batch.values, base);
                }
                lane.is_known |= at == 0;
                lane.is_overtaken |= at > 0;
                if std::mem::take(&mut lane.is_retrying) {
                    self.transmit(partition, ctx);
                }
                return;
            }
            Err(error) => error,
        };
        lane.is_retrying = true;
        if let Some(batch) = lane.batches.get_mut(at) {
            batch.call = None;
        }
        let index = u64::try_from(partition.partition.0).unwrap_or(0);
        let is_out_of_order = error == ErrorCode::OutOfOrderSequenceNumber;
        if error.class() == Class::Retriable || (is_out_of_order && at > 0) {
            return self.back_off(RETRY + index, ctx);
        }
        // Of a producer that it does not know a partition takes any sequence (Kafka since 2.5), so
        // while nothing before it is acknowledged a batch behind may have gone in before this one, which
        // was refused or lost at its first try. A stock client counts its epoch up and goes on.
        let mut behind = lane.batches.iter().skip(1);
        let may_be_behind = lane.is_overtaken || behind.any(|batch| batch.was_sent);
        if !(is_out_of_order && !lane.is_known && may_be_behind) {
            // The oldest batch is refused: what was acknowledged before it must be gone.
            ctx.truth.violation(format!(
                "{}: batch to {partition} is refused: {}",
                self.name,
                error.name()
            ));
        }
        self.init(ctx);
    }
}

impl Client for Producer {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self, ctx: &mut Context<'_>) {
        self.waits.clear();
        self.init(ctx);
        ctx.pause(1, SEND);
    }

    fn wake(&mut self, tag: u64, ctx: &mut Context<'_>) {
        self.waits.remove(&tag);
        match tag {
            SEND => self.send_next(ctx),
            INIT => self.init = Some(ctx.send(Request::ProducerId)),
            tag => {
                let index = i32::try_from(tag - RETRY).unwrap_or(0);
                let partition = layout::partition(layout::INPUT, index);
                self.transmit(&partition, ctx);
            }
        }
    }

    fn answer(&mut self, call: u64, response: Response, ctx: &mut Context<'_>) {
        if self.init == Some(call) {
            self.init = None;
            match response {
                Response::ProducerId {
                    error: ErrorCode::None,
                    id,
                    epoch,
                } => self.identity = Some((id, epoch)),
                _ => self.back_off(INIT, ctx),
            }
            return;
        }
        let found = self.lanes.iter().find_map(|(partition, lane)| {
            let mut batches = lane.batches.iter();
            let at = batches.position(|batch| batch.call == Some(call))?;
            Some((partition.clone(), at))
        });
        if let Some((partition, at)) = found {
            let result = match response {
                Response::Produced(result) => result,
                Response::Refused(error) => Err(error),
                _ => Err(ErrorCode::RequestTimedOut),
            };
            self.produced(&partition, at, result, ctx);
        }
    }

    fn stop(&mut self) {
        self.is_stopped = true;
    }

    fn is_idle(&self) -> bool {
        self.lanes.values().all(|lane| lane.batches.is_empty())
    }
}
