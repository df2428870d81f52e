//! An administrator who deletes records now and then.

use milena_protocol::Offset;

use super::{Client, Context};
use crate::checker::{Function, Kind, Step};
use crate::layout;
use crate::message::{Request, Response};
use crate::record::{Note, key};

/// The administrator.
#[derive(Debug)]
pub(crate) struct Admin {
    name: String,
    is_stopped: bool,
    /// The call and what it asks for.
    call: Option<(u64, Offset)>,
}

impl Admin {
    /// An administrator.
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            is_stopped: false,
            call: None,
        }
    }
}

impl Client for Admin {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self, ctx: &mut Context<'_>) {
        self.call = None;
        ctx.pause(3000, 0);
    }

    fn wake(&mut self, _tag: u64, ctx: &mut Context<'_>) {
        if self.is_stopped {
            return;
        }
        let index = i32::try_from(ctx.random.index(3)).unwrap_or(0);
        let partition = layout::partition(layout::INPUT, index % layout::PARTITIONS);
        let known = ctx.truth.deleted.get(&partition).copied();
        let before = known.unwrap_or(Offset(0)).plus(ctx.random.between(1, 12));
        ctx.truth.deleted.insert(partition.clone(), before);
        let note = Note {
            steps: vec![Step::Delete(key(&partition), before.0)],
            ..Note::new(ctx.truth.process(), Kind::Invoke, Function::Delete)
        };
        ctx.truth.recorder.note(note, None);
        self.call = Some((
            ctx.send(Request::DeleteRecords { partition, before }),
            before,
        ));
    }

    fn answer(&mut self, call: u64, response: Response, ctx: &mut Context<'_>) {
        if let Some((_, before)) = self.call.take_if(|(known, _)| *known == call) {
            if let Response::Deleted(Ok(start)) = response
                && start < before
            {
                ctx.truth
                    .violation(format!("log starts at {start}, asked for {before}"));
            }
            let after_ms = ctx.random.between(1000, 6000);
            ctx.pause(after_ms, 0);
        }
    }

    fn stop(&mut self) {
        self.is_stopped = true;
    }

    fn is_idle(&self) -> bool {
        self.call.is_none()
    }
}
