//! The form in which clients record what they did: one JSON object per line.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

/// One partition of a topic, such as `orders-0`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub String);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an event begins an operation, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It begins.
    Invoke,
    /// A transaction is about to be committed: nobody may have read its records yet. May be left out.
    Prepare,
    /// It took place.
    Ok,
    /// It did not and will not take place.
    Fail,
    /// Nobody knows. An operation without an end is the same.
    Info,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// Sends outside of transactions, by an idempotent producer.
    Send,
    /// One poll of a consumer.
    Poll,
    /// A transaction from its begin to its end; with its polls where it consumes as well.
    Txn,
    /// The id of a transactional producer is initialised: who had it before is fenced.
    Init,
    /// A group commits offsets outside of a transaction.
    Commit,
    /// Committed offsets are fetched, stable ones.
    Committed,
    /// From now on the process reads these keys, which it chose.
    Assign,
    /// From now on the process reads these keys, which its group gave it.
    Subscribe,
    /// Positions of these keys change.
    Seek,
    /// Ends of keys are listed.
    List,
    /// Records are deleted.
    Delete,
    /// The process has read these keys from their start to their end, after everything had ended.
    Finish,
}

/// What a consumer gets to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Everything below the high watermark.
    #[default]
    ReadUncommitted,
    /// What was committed, below the last stable offset.
    ReadCommitted,
}

/// One part of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A value was sent to a key; the offset where it is known.
    Send(Key, u64, Option<i64>),
    /// What one poll returned: offsets and values in the order of the consumer.
    Poll(BTreeMap<Key, Vec<(i64, u64)>>),
    /// A group's next offset was committed.
    Commit(String, Key, i64),
    /// A group's next offset was fetched; -1 where there is none.
    Committed(String, Key, i64),
    /// The end of a key as it was listed, the high watermark or the last stable offset.
    End(Key, i64),
    /// Records before this offset were deleted.
    Delete(Key, i64),
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds of a clock that all processes share.
    pub at: u64,
    /// One life of one client. It does one operation at a time.
    pub process: u64,
    /// Begin or end.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What is done.
    #[serde(rename = "f")]
    pub function: Function,
    /// Of the polls and lists among the steps.
    #[serde(default)]
    pub isolation: Isolation,
    /// Of transactions and of [`Function::Init`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactional_id: Option<String>,
    /// What is done in detail. The end of an operation repeats all of it with what is known then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Of [`Function::Assign`], [`Function::Subscribe`], [`Function::Seek`], [`Function::Finish`];
    /// of polls and transactions: the keys whose assignment changed meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
}

/// Why a history cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The input failed.
    Io(io::Error),
    /// A line, counted from 1, is no event.
    Line(usize, serde_json::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "read the history: {error}"),
            Self::Line(number, error) => write!(f, "line {number} of the history: {error}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Line(_, error) => Some(error),
        }
    }
}

/// What clients did and saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    events: Vec<Event>,
}

impl History {
    /// Adds an event. The events of one process come in their order.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Adds all events of another history.
    pub fn extend(&mut self, other: Self) {
        self.events.extend(other.events);
    }

    /// The events as they were added.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Reads lines. A last line without its end, as a killed client leaves it, is passed over.
    ///
    /// # Errors
    /// The input fails, or a line is no event.
    pub fn read(mut input: impl BufRead) -> Result<Self, ReadError> {
        let mut history = Self::default();
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            line.clear();
            input.read_until(b'\n', &mut line).map_err(ReadError::Io)?;
            if line.pop() != Some(b'\n') {
                return Ok(history);
            }
            number += 1;
            let event =
                serde_json::from_slice(&line).map_err(|error| ReadError::Line(number, error))?;
            history.push(event);
        }
    }

    /// Writes one line per event.
    ///
    /// # Errors
    /// The output fails.
    pub fn write(&self, mut output: impl Write) -> io::Result<()> {
        for event in &self.events {
            serde_json::to_writer(&mut output, event)?;
            output.write_all(b"\n")?;
        }
        Ok(())
    }
}
