//! Why a request, or a part of it, was refused.

use std::fmt;

use milena_protocol::ErrorCode;

/// Why a request, or a part of it, was refused: what the answer carries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// Kafka's code.
    pub code: ErrorCode,
    /// What was wrong; none where the code says it all.
    pub message: Option<String>,
}

impl Error {
    /// An error with a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
        }
    }

    /// An error whose code says it all.
    #[must_use]
    pub const fn code(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }

    /// An error with the usual message of its code, where that has one.
    #[must_use]
    pub fn usual(code: ErrorCode) -> Self {
        let message = match code {
            ErrorCode::UnknownTopicOrPartition => "This server does not host this topic-partition.",
            ErrorCode::UnknownTopicId => "This server does not host this topic ID.",
            ErrorCode::ElectionNotNeeded => "Leader election not needed for topic partition.",
            ErrorCode::PreferredLeaderNotAvailable => "The preferred leader was not available.",
            ErrorCode::EligibleLeadersNotAvailable => {
                "Eligible topic partition leaders are not available."
            }
            ErrorCode::NoReassignmentInProgress => "No partition reassignment is in progress.",
            _ => return Self::code(code),
        };
        Self::new(code, message)
    }

    /// True where the same request may succeed later.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        self.code.is_retriable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(f, "{}: {message}", self.code),
            None => write!(f, "{}", self.code),
        }
    }
}
