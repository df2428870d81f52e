//! Clients as models: what stock clients do, reduced to when they send what.

mod admin;
mod member;
mod membership;
mod producer;
mod reader;
mod source;
mod transactor;

pub(crate) use admin::Admin;
pub(crate) use member::Member;
pub(crate) use producer::Producer;
pub(crate) use reader::Reader;
pub(crate) use transactor::{Habit, Transactor};

use std::fmt::Debug;

use crate::message::{Request, Response};
use crate::random::Random;
use crate::truth::Truth;

/// Milliseconds after which a client takes a request for lost.
pub(crate) const REQUEST_TIMEOUT_MS: i64 = 2000;

/// A client. It is told of answers to its calls and of the ends of its own pauses.
pub(crate) trait Client: Debug {
    /// Its name, unique in the world.
    fn name(&self) -> &str;

    /// The process begins, for the first time or after a crash: what it had in memory is gone.
    fn start(&mut self, ctx: &mut Context<'_>);

    /// A pause has ended.
    fn wake(&mut self, tag: u64, ctx: &mut Context<'_>);

    /// The answer to a call.
    fn answer(&mut self, call: u64, response: Response, ctx: &mut Context<'_>);

    /// No new work is begun from now on.
    fn stop(&mut self);

    /// True where all work that was begun has come to an end.
    fn is_idle(&self) -> bool;
}

/// What a client wants done.
#[derive(Debug)]
pub(crate) enum Action {
    /// A request leaves.
    Send {
        call: u64,
        request: Box<Request>,
        timeout_ms: i64,
    },
    /// A pause begins.
    Wake { after_ms: i64, tag: u64 },
}

/// What a client can do while it is told of something.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: i64,
    pub(crate) random: &'a mut Random,
    pub(crate) truth: &'a mut Truth,
    pub(crate) next_call: &'a mut u64,
    pub(crate) actions: Vec<Action>,
}

impl Context<'_> {
    /// Sends a request. The number names it in the answer.
    pub(crate) fn send(&mut self, request: Request) -> u64 {
        self.send_for(request, REQUEST_TIMEOUT_MS)
    }

    /// Sends a request that may take this long.
    pub(crate) fn send_for(&mut self, request: Request, timeout_ms: i64) -> u64 {
        let call = *self.next_call;
        *self.next_call += 1;
        self.actions.push(Action::Send {
            call,
            request: Box::new(request),
            timeout_ms,
        });
        call
    }

    /// Begins a pause. The tag names it in the call to [`Client::wake`].
    pub(crate) fn pause(&mut self, after_ms: i64, tag: u64) {
        self.actions.push(Action::Wake { after_ms, tag });
    }

    /// Begins a pause of about this length, as retries have it.
    pub(crate) fn back_off(&mut self, tag: u64) {
        let after_ms = self.random.between(20, 200);
        self.pause(after_ms, tag);
    }
}
