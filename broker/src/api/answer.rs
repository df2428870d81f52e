//! Pieces of responses that many APIs share.

use kafka_protocol::protocol::StrBytes;
use milena_cluster::metadata::Error;
use milena_protocol::ErrorCode;

/// Code and message of a result; no error has neither.
pub(super) fn error_of<T>(result: &Result<T, Error>) -> (i16, Option<StrBytes>) {
    match result {
        Ok(_) => (ErrorCode::None.code(), None),
        Err(error) => parts(error),
    }
}

/// Code and message of an error.
pub(super) fn parts(error: &Error) -> (i16, Option<StrBytes>) {
    (
        error.code.code(),
        error.message.clone().map(StrBytes::from_string),
    )
}

/// A string of a response.
pub(super) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}
