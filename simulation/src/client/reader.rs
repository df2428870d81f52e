//! A consumer that is told which partitions to read, and reads them from the start, over and over.

use std::collections::BTreeMap;

use milena_protocol::{ErrorCode, Offset, TopicPartition};

use super::{Client, Context};
use crate::checker::Kind;
use crate::message::{Fetched, Request, Response};
use crate::view::visible;

/// The reader.
#[derive(Debug)]
pub(crate) struct Reader {
    name: String,
    process: u64,
    is_committed: bool,
    positions: BTreeMap<TopicPartition, Offset>,
    call: Option<(u64, TopicPartition)>,
    turn: usize,
    is_stopped: bool,
    /// Looks in a row that found nothing new.
    quiet: usize,
    /// The poll that runs is at its end.
    has_told: bool,
    /// The position is another one.
    is_lost: bool,
}

impl Reader {
    /// A reader of these partitions.
    pub(crate) fn new(name: String, is_committed: bool, partitions: Vec<TopicPartition>) -> Self {
        Self {
            name,
            process: 0,
            is_committed,
            positions: partitions
                .into_iter()
                .map(|partition| (partition, Offset(0)))
                .collect(),
            call: None,
            turn: 0,
            is_stopped: false,
            quiet: 0,
            has_told: false,
            is_lost: false,
        }
    }

    fn fetch(&mut self, ctx: &mut Context<'_>) {
        let count = self.positions.len().max(1);
        let Some((partition, offset)) = self.positions.iter().nth(self.turn % count) else {
            return;
        };
        self.turn += 1;
        let (partition, offset) = (partition.clone(), *offset);
        let how = (&partition, self.is_committed);
        ctx.truth.polled(self.process, how, Kind::Invoke, &[]);
        let call = ctx.send(Request::Fetch {
            partition: partition.clone(),
            offset,
            is_committed: self.is_committed,
        });
        self.call = Some((call, partition));
    }

    fn fetched(&mut self, partition: &TopicPartition, answer: &Fetched, ctx: &mut Context<'_>) {
        let Some(position) = self.positions.get(partition).copied() else {
            return;
        };
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                if position > answer.high_watermark {
                    ctx.truth.violation(format!(
                        "{}: {partition} ends at {} and was read up to {position}",
                        self.name, answer.high_watermark
                    ));
                }
                self.positions.insert(partition.clone(), answer.log_start);
                self.is_lost = true;
                return;
            }
            _ => return,
        }
        match visible(answer, position) {
            Ok((records, next)) => {
                self.quiet = if next == position { self.quiet + 1 } else { 0 };
                let how = (partition, self.is_committed);
                ctx.truth.polled(self.process, how, Kind::Ok, &records);
                self.has_told = true;
                for (offset, value) in records {
                    ctx.truth
                        .note_read(partition, offset, value, self.is_committed);
                }
                self.positions.insert(partition.clone(), next);
            }
            Err(error) => ctx
                .truth
                .violation(format!("{}: {partition}: {error}", self.name)),
        }
    }
}

impl Client for Reader {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self, ctx: &mut Context<'_>) {
        for position in self.positions.values_mut() {
            *position = Offset(0);
        }
        self.process = ctx.truth.process();
        self.fetch(ctx);
    }

    fn wake(&mut self, _tag: u64, ctx: &mut Context<'_>) {
        self.fetch(ctx);
    }

    fn answer(&mut self, call: u64, response: Response, ctx: &mut Context<'_>) {
        let Some((_, partition)) = self.call.take_if(|(known, _)| *known == call) else {
            return;
        };
        self.has_told = false;
        if let Response::Fetched(answer) = &response {
            self.fetched(&partition, answer, ctx);
        }
        if !self.has_told {
            let how = (&partition, self.is_committed);
            ctx.truth.polled(self.process, how, Kind::Fail, &[]);
        }
        if std::mem::take(&mut self.is_lost) {
            ctx.truth.seek(self.process, &partition);
        }
        let after_ms = ctx.random.between(10, 120);
        ctx.pause(after_ms, 0);
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        self.quiet = 0;
    }

    fn is_idle(&self) -> bool {
        // Every partition was looked at twice and had nothing more.
        self.is_stopped && self.quiet >= 2 * self.positions.len()
    }
}
