//! What a consumer makes of an answer to Fetch.

use std::collections::BTreeSet;

use milena_log::producer_state::Marker;
use milena_protocol::Offset;

use crate::broker::{for_each_record, walk};
use crate::message::Fetched;
use crate::truth::value_of;

/// The values from `position` on with their offsets, without those of aborted transactions, and the
/// next position.
///
/// # Errors
/// The bytes are not what a broker may send.
pub(crate) fn visible(
    answer: &Fetched,
    position: Offset,
) -> Result<(Vec<(Offset, u64)>, Offset), String> {
    let mut values = Vec::new();
    let mut aborted = answer.aborted.iter().peekable();
    let mut open = BTreeSet::new();
    let next = walk(&answer.records, position, &mut |header, batch| {
        while let Some(txn) = aborted.next_if(|txn| txn.first_offset <= header.last_offset()) {
            open.insert(txn.producer_id);
        }
        if header.attributes.is_control() {
            let marker = Marker::parse(header, batch).map_err(|error| error.to_string())?;
            if marker.is_some_and(|marker| !marker.is_commit) {
                open.remove(&header.producer_id);
            }
            return Ok(());
        }
        if header.attributes.is_transactional() && open.contains(&header.producer_id) {
            return Ok(());
        }
        for_each_record(header, batch, &mut |offset, _, bytes| {
            let value =
                value_of(bytes).ok_or_else(|| format!("record at {offset} has no value"))?;
            if offset >= position {
                values.push((offset, value));
            }
            Ok(())
        })
    })?;
    Ok((values, next.max(position)))
}
