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

/// Puts what follows each other with the same key together, in order.
pub(super) fn grouped<K: PartialEq, V>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in pairs {
        match groups.last_mut() {
            Some((last, values)) if *last == key => values.push(value),
            _ => groups.push((key, vec![value])),
        }
    }
    groups
}

/// A string of a response.
pub(super) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}
