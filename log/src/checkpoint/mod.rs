//! Small text files of a log directory in Kafka's form (Kafka classes `CheckpointFile`,
//! `OffsetCheckpointFile`, `LeaderEpochCheckpointFile`): version = 0, number of entries, one entry
//! per line.
//!
//! | file | entry |
//! |---|---|
//! | [`RECOVERY_POINT`], [`REPLICATION_OFFSET`], [`LOG_START_OFFSET`], [`CLEANER_OFFSET`] | topic, partition, offset |
//! | [`LEADER_EPOCH`] (in the folder of a partition) | epoch, start offset |
//!
//! A file is replaced as a whole: temporary file, sync, rename, sync of the directory. Kafka's form
//! has no checksum, so ours stands beside it in `<file>.crc32c`: CRC-32C and size of the content.
//! The sidecar is renamed into place, after its file, without a sync of its own. A process that is
//! killed between the renames leaves the sidecar under its temporary name, where it counts as well;
//! after a crash of the machine it may be missing, empty or that of the content before. What a
//! reader makes of it:
//!
//! | sidecar | content parses | answer |
//! |---|---|---|
//! | it or the temporary one equals content | yes | [`Seal::Matches`] |
//! | missing, or no sidecar of ours | yes | [`Seal::Absent`], as after Kafka has written the directory |
//! | differs | yes | [`Seal::Differs`]: written by a Kafka since, a crash of the machine between the two renames, or damage |
//! | any | no | an error that names file and line |
//!
//! With [`Seal::Differs`] a value that would skip work (a recovery point) must not be trusted; the
//! others can be checked against the log.

mod entry;
mod file;

pub use entry::{
    CLEANER_OFFSET, LEADER_EPOCH, LOG_START_OFFSET, RECOVERY_POINT, REPLICATION_OFFSET,
    decode_epochs, decode_offsets, encode_epochs, encode_offsets, read_epochs, read_offsets,
    write_epochs, write_offsets,
};
pub use file::{
    Error, Loaded, SIDECAR_SUFFIX, Seal, crc32c, read_sealed, read_whole, write_atomically,
    write_sealed,
};

#[cfg(test)]
mod tests;
