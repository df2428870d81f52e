//! What clients and brokers say to each other: the APIs without their versions.

use bytes::Bytes;
use milena_cluster::{group, transaction};
use milena_log::index::transaction::AbortedTxn;
use milena_protocol::batch::BatchHeader;
use milena_protocol::{ErrorCode, Offset, ProducerEpoch, ProducerId, TopicPartition};

/// Whose transaction, and by which version of the protocol.
#[derive(Clone, Debug)]
pub(crate) struct Transactional {
    pub(crate) id: String,
    pub(crate) version: i16,
}

/// What is asked of a broker.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Produce of one batch, acks=all; of a transaction where it is said whose.
    Produce {
        partition: TopicPartition,
        records: Bytes,
        by: Option<Transactional>,
    },
    /// TxnOffsetCommit.
    CommitInTransaction {
        commit: group::CommitOffsets,
        by: Transactional,
    },
    /// InitProducerId with a transactional id, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn.
    Transaction(transaction::Request),
    /// Fetch of one partition.
    Fetch {
        partition: TopicPartition,
        offset: Offset,
        is_committed: bool,
    },
    /// InitProducerId without a transactional id.
    ProducerId,
    /// DeleteRecords.
    DeleteRecords {
        partition: TopicPartition,
        before: Offset,
    },
    /// An API of groups.
    Group {
        group: String,
        request: group::Request,
    },
}

/// What a broker answers.
#[derive(Clone, Debug)]
pub(crate) enum Response {
    /// Nothing came: the client has waited for long enough, or the connection broke.
    Lost,
    /// The broker cannot say more than this.
    Refused(ErrorCode),
    /// To Produce: the base offset.
    Produced(Result<Offset, ErrorCode>),
    /// To Fetch.
    Fetched(Fetched),
    /// To InitProducerId.
    ProducerId {
        error: ErrorCode,
        id: ProducerId,
        epoch: ProducerEpoch,
    },
    /// To DeleteRecords: the log start offset.
    Deleted(Result<Offset, ErrorCode>),
    /// To an API of transactions.
    Transaction(transaction::Response),
    /// To an API of groups, and to TxnOffsetCommit.
    Group(group::Response),
}

/// Answer to Fetch.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) error: ErrorCode,
    /// Whole batches; the first may begin before the offset that was asked for.
    pub(crate) records: Bytes,
    pub(crate) log_start: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable: Offset,
    /// Aborted transactions in the range that was read; empty for an uncommitted read.
    pub(crate) aborted: Vec<AbortedTxn>,
}

impl Request {
    /// True for what goes to a coordinator, on a connection of its own.
    pub(crate) const fn is_for_coordinator(&self) -> bool {
        matches!(
            self,
            Self::CommitInTransaction { .. } | Self::Transaction(_) | Self::Group { .. }
        )
    }

    /// What is produced where, for traces.
    pub(crate) fn detail(&self) -> String {
        let Self::Produce {
            partition, records, ..
        } = self
        else {
            return String::new();
        };
        let header = BatchHeader::parse(records);
        header.map_or_else(
            |error| error.to_string(),
            |header| {
                let (id, epoch) = (header.producer_id, header.producer_epoch);
                let sequences = (header.base_sequence, header.last_sequence());
                format!(
                    " {partition}, producer {id}/{epoch}, sequences {} to {}",
                    sequences.0, sequences.1
                )
            },
        )
    }

    /// Name of the API, for traces.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Produce { .. } => "Produce",
            Self::Fetch { .. } => "Fetch",
            Self::ProducerId => "InitProducerId",
            Self::DeleteRecords { .. } => "DeleteRecords",
            Self::CommitInTransaction { .. } => "TxnOffsetCommit",
            Self::Transaction(request) => match request {
                transaction::Request::Init(_) => "InitProducerId",
                transaction::Request::Add(_) => "AddPartitionsToTxn",
                transaction::Request::Verify(_) => "verify",
                transaction::Request::End(_) => "EndTxn",
            },
            Self::Group { request, .. } => match request {
                group::Request::Join(_) => "JoinGroup",
                group::Request::Sync(_) => "SyncGroup",
                group::Request::Heartbeat(_) => "Heartbeat",
                group::Request::Leave(_) => "LeaveGroup",
                group::Request::CommitOffsets(_) => "OffsetCommit",
                group::Request::FetchOffsets(_) => "OffsetFetch",
                group::Request::DeleteOffsets(_) => "OffsetDelete",
                group::Request::ConsumerHeartbeat(_) => "ConsumerGroupHeartbeat",
                group::Request::DeleteGroups(_) => "DeleteGroups",
            },
        }
    }
}
