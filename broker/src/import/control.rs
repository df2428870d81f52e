//! The control records of the metadata log (`ControlRecordType`): who votes.
//!
//! The key of a control record is its version and type, both int16. Values that are read here:
//!
//! | type | value |
//! |---|---|
//! | 2 leader change | version int16, leader id int32, compact array of voters |
//! | 4 snapshot footer | version int16 |
//! | 6 voters (KIP-853) | version int16, compact array of voters |
//!
//! A voter begins with its id, int32. Voters of type 6 count before those of type 2, which a static
//! quorum has.

use milena_protocol::BrokerId;
use milena_protocol::wire::{self, Reader};

const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_FOOTER: i16 = 4;
const VOTERS: i16 = 6;
/// Id and tagged fields.
const VOTER_BYTES_MIN: usize = 5;

/// Voters that a log names: how many, and the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Voters {
    pub count: usize,
    pub first: Option<BrokerId>,
}

/// What the control records so far say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    static_voters: Option<Voters>,
    voters: Option<Voters>,
    /// The snapshot has its last record.
    pub is_finished: bool,
}

impl Control {
    /// Takes a control record.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), wire::Error> {
        let mut key = Reader::new(key);
        key.i16()?;
        let mut value = Reader::new(value);
        match key.i16()? {
            LEADER_CHANGE => {
                value.i16()?;
                value.i32()?;
                self.static_voters = Some(voters(&mut value)?);
            }
            VOTERS => {
                value.i16()?;
                self.voters = Some(voters(&mut value)?);
            }
            SNAPSHOT_FOOTER => self.is_finished = true,
            // Kinds that come with later versions say nothing about voters.
            _ => {}
        }
        Ok(())
    }

    /// Who votes; none where no record says so.
    pub(super) fn voters(&self) -> Option<Voters> {
        self.voters.or(self.static_voters)
    }
}

fn voters(value: &mut Reader<'_>) -> Result<Voters, wire::Error> {
    let count = value.compact_array_len(VOTER_BYTES_MIN)?;
    let first = if count > 0 {
        Some(BrokerId(value.i32()?))
    } else {
        None
    };
    Ok(Voters { count, first })
}
