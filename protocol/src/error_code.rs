//! Kafka's numeric error codes and what a caller can do about each (`org.apache.kafka.common.protocol.Errors`).

use std::fmt;

/// What the caller of a request can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// No error.
    None,
    /// The same request may succeed later.
    Retriable,
    /// The transaction has to be aborted; the producer goes on (KIP-1050).
    Abortable,
    /// Repeating the request gives the same error.
    Fatal,
}

macro_rules! codes {
    ($($variant:ident = $code:literal $class:ident $name:literal;)*) => {
        /// An error code of the Kafka protocol. The name of a variant is Kafka's constant in camel case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(#[doc = $name] $variant = $code,)*
        }

        impl ErrorCode {
            /// Every code, in ascending order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The error with this code; none where Kafka has no such code.
            #[must_use]
            pub const fn from_code(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Kafka's constant, such as `NOT_COORDINATOR`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What the caller can do.
            #[must_use]
            pub const fn class(self) -> Class {
                match self {
                    $(Self::$variant => Class::$class,)*
                }
            }
        }
    };
}

codes! {
    UnknownServerError = -1 Fatal "UNKNOWN_SERVER_ERROR";
    None = 0 None "NONE";
    OffsetOutOfRange = 1 Fatal "OFFSET_OUT_OF_RANGE";
    CorruptMessage = 2 Retriable "CORRUPT_MESSAGE";
    UnknownTopicOrPartition = 3 Retriable "UNKNOWN_TOPIC_OR_PARTITION";
    InvalidFetchSize = 4 Fatal "INVALID_FETCH_SIZE";
    LeaderNotAvailable = 5 Retriable "LEADER_NOT_AVAILABLE";
    NotLeaderOrFollower = 6 Retriable "NOT_LEADER_OR_FOLLOWER";
    RequestTimedOut = 7 Retriable "REQUEST_TIMED_OUT";
    BrokerNotAvailable = 8 Fatal "BROKER_NOT_AVAILABLE";
    ReplicaNotAvailable = 9 Retriable "REPLICA_NOT_AVAILABLE";
    MessageTooLarge = 10 Fatal "MESSAGE_TOO_LARGE";
    StaleControllerEpoch = 11 Fatal "STALE_CONTROLLER_EPOCH";
    OffsetMetadataTooLarge = 12 Fatal "OFFSET_METADATA_TOO_LARGE";
    NetworkException = 13 Retriable "NETWORK_EXCEPTION";
    CoordinatorLoadInProgress = 14 Retriable "COORDINATOR_LOAD_IN_PROGRESS";
    CoordinatorNotAvailable = 15 Retriable "COORDINATOR_NOT_AVAILABLE";
    NotCoordinator = 16 Retriable "NOT_COORDINATOR";
    InvalidTopicException = 17 Fatal "INVALID_TOPIC_EXCEPTION";
    RecordListTooLarge = 18 Fatal "RECORD_LIST_TOO_LARGE";
    NotEnoughReplicas = 19 Retriable "NOT_ENOUGH_REPLICAS";
    NotEnoughReplicasAfterAppend = 20 Retriable "NOT_ENOUGH_REPLICAS_AFTER_APPEND";
    InvalidRequiredAcks = 21 Fatal "INVALID_REQUIRED_ACKS";
    IllegalGeneration = 22 Fatal "ILLEGAL_GENERATION";
    InconsistentGroupProtocol = 23 Fatal "INCONSISTENT_GROUP_PROTOCOL";
    InvalidGroupId = 24 Fatal "INVALID_GROUP_ID";
    UnknownMemberId = 25 Fatal "UNKNOWN_MEMBER_ID";
    InvalidSessionTimeout = 26 Fatal "INVALID_SESSION_TIMEOUT";
    RebalanceInProgress = 27 Fatal "REBALANCE_IN_PROGRESS";
    InvalidCommitOffsetSize = 28 Fatal "INVALID_COMMIT_OFFSET_SIZE";
    TopicAuthorizationFailed = 29 Fatal "TOPIC_AUTHORIZATION_FAILED";
    GroupAuthorizationFailed = 30 Fatal "GROUP_AUTHORIZATION_FAILED";
    ClusterAuthorizationFailed = 31 Fatal "CLUSTER_AUTHORIZATION_FAILED";
    InvalidTimestamp = 32 Fatal "INVALID_TIMESTAMP";
    UnsupportedSaslMechanism = 33 Fatal "UNSUPPORTED_SASL_MECHANISM";
    IllegalSaslState = 34 Fatal "ILLEGAL_SASL_STATE";
    UnsupportedVersion = 35 Fatal "UNSUPPORTED_VERSION";
    TopicAlreadyExists = 36 Fatal "TOPIC_ALREADY_EXISTS";
    InvalidPartitions = 37 Fatal "INVALID_PARTITIONS";
    InvalidReplicationFactor = 38 Fatal "INVALID_REPLICATION_FACTOR";
    InvalidReplicaAssignment = 39 Fatal "INVALID_REPLICA_ASSIGNMENT";
    InvalidConfig = 40 Fatal "INVALID_CONFIG";
    NotController = 41 Retriable "NOT_CONTROLLER";
    InvalidRequest = 42 Fatal "INVALID_REQUEST";
    UnsupportedForMessageFormat = 43 Fatal "UNSUPPORTED_FOR_MESSAGE_FORMAT";
    PolicyViolation = 44 Fatal "POLICY_VIOLATION";
    OutOfOrderSequenceNumber = 45 Fatal "OUT_OF_ORDER_SEQUENCE_NUMBER";
    DuplicateSequenceNumber = 46 Fatal "DUPLICATE_SEQUENCE_NUMBER";
    InvalidProducerEpoch = 47 Fatal "INVALID_PRODUCER_EPOCH";
    InvalidTxnState = 48 Fatal "INVALID_TXN_STATE";
    InvalidProducerIdMapping = 49 Fatal "INVALID_PRODUCER_ID_MAPPING";
    InvalidTransactionTimeout = 50 Fatal "INVALID_TRANSACTION_TIMEOUT";
    ConcurrentTransactions = 51 Retriable "CONCURRENT_TRANSACTIONS";
    TransactionCoordinatorFenced = 52 Fatal "TRANSACTION_COORDINATOR_FENCED";
    TransactionalIdAuthorizationFailed = 53 Fatal "TRANSACTIONAL_ID_AUTHORIZATION_FAILED";
    SecurityDisabled = 54 Fatal "SECURITY_DISABLED";
    OperationNotAttempted = 55 Fatal "OPERATION_NOT_ATTEMPTED";
    KafkaStorageError = 56 Retriable "KAFKA_STORAGE_ERROR";
    LogDirNotFound = 57 Fatal "LOG_DIR_NOT_FOUND";
    SaslAuthenticationFailed = 58 Fatal "SASL_AUTHENTICATION_FAILED";
    UnknownProducerId = 59 Fatal "UNKNOWN_PRODUCER_ID";
    ReassignmentInProgress = 60 Fatal "REASSIGNMENT_IN_PROGRESS";
    DelegationTokenAuthDisabled = 61 Fatal "DELEGATION_TOKEN_AUTH_DISABLED";
    DelegationTokenNotFound = 62 Fatal "DELEGATION_TOKEN_NOT_FOUND";
    DelegationTokenOwnerMismatch = 63 Fatal "DELEGATION_TOKEN_OWNER_MISMATCH";
    DelegationTokenRequestNotAllowed = 64 Fatal "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED";
    DelegationTokenAuthorizationFailed = 65 Fatal "DELEGATION_TOKEN_AUTHORIZATION_FAILED";
    DelegationTokenExpired = 66 Fatal "DELEGATION_TOKEN_EXPIRED";
    InvalidPrincipalType = 67 Fatal "INVALID_PRINCIPAL_TYPE";
    NonEmptyGroup = 68 Fatal "NON_EMPTY_GROUP";
    GroupIdNotFound = 69 Fatal "GROUP_ID_NOT_FOUND";
    FetchSessionIdNotFound = 70 Retriable "FETCH_SESSION_ID_NOT_FOUND";
    InvalidFetchSessionEpoch = 71 Retriable "INVALID_FETCH_SESSION_EPOCH";
    ListenerNotFound = 72 Retriable "LISTENER_NOT_FOUND";
    TopicDeletionDisabled = 73 Fatal "TOPIC_DELETION_DISABLED";
    FencedLeaderEpoch = 74 Retriable "FENCED_LEADER_EPOCH";
    UnknownLeaderEpoch = 75 Retriable "UNKNOWN_LEADER_EPOCH";
    UnsupportedCompressionType = 76 Fatal "UNSUPPORTED_COMPRESSION_TYPE";
    StaleBrokerEpoch = 77 Fatal "STALE_BROKER_EPOCH";
    OffsetNotAvailable = 78 Retriable "OFFSET_NOT_AVAILABLE";
    MemberIdRequired = 79 Fatal "MEMBER_ID_REQUIRED";
    PreferredLeaderNotAvailable = 80 Retriable "PREFERRED_LEADER_NOT_AVAILABLE";
    GroupMaxSizeReached = 81 Fatal "GROUP_MAX_SIZE_REACHED";
    FencedInstanceId = 82 Fatal "FENCED_INSTANCE_ID";
    EligibleLeadersNotAvailable = 83 Retriable "ELIGIBLE_LEADERS_NOT_AVAILABLE";
    ElectionNotNeeded = 84 Retriable "ELECTION_NOT_NEEDED";
    NoReassignmentInProgress = 85 Fatal "NO_REASSIGNMENT_IN_PROGRESS";
    GroupSubscribedToTopic = 86 Fatal "GROUP_SUBSCRIBED_TO_TOPIC";
    InvalidRecord = 87 Fatal "INVALID_RECORD";
    UnstableOffsetCommit = 88 Retriable "UNSTABLE_OFFSET_COMMIT";
    ThrottlingQuotaExceeded = 89 Retriable "THROTTLING_QUOTA_EXCEEDED";
    ProducerFenced = 90 Fatal "PRODUCER_FENCED";
    ResourceNotFound = 91 Fatal "RESOURCE_NOT_FOUND";
    DuplicateResource = 92 Fatal "DUPLICATE_RESOURCE";
    UnacceptableCredential = 93 Fatal "UNACCEPTABLE_CREDENTIAL";
    InconsistentVoterSet = 94 Fatal "INCONSISTENT_VOTER_SET";
    InvalidUpdateVersion = 95 Fatal "INVALID_UPDATE_VERSION";
    FeatureUpdateFailed = 96 Fatal "FEATURE_UPDATE_FAILED";
    PrincipalDeserializationFailure = 97 Fatal "PRINCIPAL_DESERIALIZATION_FAILURE";
    SnapshotNotFound = 98 Fatal "SNAPSHOT_NOT_FOUND";
    PositionOutOfRange = 99 Fatal "POSITION_OUT_OF_RANGE";
    UnknownTopicId = 100 Retriable "UNKNOWN_TOPIC_ID";
    DuplicateBrokerRegistration = 101 Fatal "DUPLICATE_BROKER_REGISTRATION";
    BrokerIdNotRegistered = 102 Fatal "BROKER_ID_NOT_REGISTERED";
    InconsistentTopicId = 103 Retriable "INCONSISTENT_TOPIC_ID";
    InconsistentClusterId = 104 Fatal "INCONSISTENT_CLUSTER_ID";
    TransactionalIdNotFound = 105 Fatal "TRANSACTIONAL_ID_NOT_FOUND";
    FetchSessionTopicIdError = 106 Retriable "FETCH_SESSION_TOPIC_ID_ERROR";
    IneligibleReplica = 107 Fatal "INELIGIBLE_REPLICA";
    NewLeaderElected = 108 Fatal "NEW_LEADER_ELECTED";
    OffsetMovedToTieredStorage = 109 Fatal "OFFSET_MOVED_TO_TIERED_STORAGE";
    FencedMemberEpoch = 110 Fatal "FENCED_MEMBER_EPOCH";
    UnreleasedInstanceId = 111 Fatal "UNRELEASED_INSTANCE_ID";
    UnsupportedAssignor = 112 Fatal "UNSUPPORTED_ASSIGNOR";
    StaleMemberEpoch = 113 Fatal "STALE_MEMBER_EPOCH";
    MismatchedEndpointType = 114 Fatal "MISMATCHED_ENDPOINT_TYPE";
    UnsupportedEndpointType = 115 Fatal "UNSUPPORTED_ENDPOINT_TYPE";
    UnknownControllerId = 116 Fatal "UNKNOWN_CONTROLLER_ID";
    UnknownSubscriptionId = 117 Fatal "UNKNOWN_SUBSCRIPTION_ID";
    TelemetryTooLarge = 118 Fatal "TELEMETRY_TOO_LARGE";
    InvalidRegistration = 119 Fatal "INVALID_REGISTRATION";
    TransactionAbortable = 120 Abortable "TRANSACTION_ABORTABLE";
    InvalidRecordState = 121 Fatal "INVALID_RECORD_STATE";
    ShareSessionNotFound = 122 Retriable "SHARE_SESSION_NOT_FOUND";
    InvalidShareSessionEpoch = 123 Retriable "INVALID_SHARE_SESSION_EPOCH";
    FencedStateEpoch = 124 Fatal "FENCED_STATE_EPOCH";
    InvalidVoterKey = 125 Fatal "INVALID_VOTER_KEY";
    DuplicateVoter = 126 Fatal "DUPLICATE_VOTER";
    VoterNotFound = 127 Fatal "VOTER_NOT_FOUND";
    InvalidRegularExpression = 128 Fatal "INVALID_REGULAR_EXPRESSION";
    RebootstrapRequired = 129 Fatal "REBOOTSTRAP_REQUIRED";
    StreamsInvalidTopology = 130 Fatal "STREAMS_INVALID_TOPOLOGY";
    StreamsInvalidTopologyEpoch = 131 Fatal "STREAMS_INVALID_TOPOLOGY_EPOCH";
    StreamsTopologyFenced = 132 Fatal "STREAMS_TOPOLOGY_FENCED";
    ShareSessionLimitReached = 133 Retriable "SHARE_SESSION_LIMIT_REACHED";
    GroupDeletionFailed = 134 Fatal "GROUP_DELETION_FAILED";
    StreamsTopologyDescriptionUpdateFailed = 135 Fatal "STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED";
}

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// True where the same request may succeed later.
    #[must_use]
    pub const fn is_retriable(self) -> bool {
        matches!(self.class(), Class::Retriable)
    }

    /// True where this is an error.
    #[must_use]
    pub const fn is_err(self) -> bool {
        !matches!(self, Self::None)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number() {
        for &error in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(error.code()), Some(error));
        }
        assert_eq!(ErrorCode::from_code(4_000), None);
        assert!(ErrorCode::NotCoordinator.is_retriable());
        assert!(!ErrorCode::InvalidTopicException.is_retriable());
        assert_eq!(ErrorCode::TransactionAbortable.class(), Class::Abortable);
    }
}
