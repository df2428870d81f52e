// @generated
//! Shapes of the requests of Kafka 4.3. Generated from its JSON schemas by the test
//! `guard::generator::table_is_current`; do not edit.

use super::shape::Kind::{
    Bytes, Fixed, FixedArray, String, StringArray, Struct, StructArray,
};
use super::shape::{field, v, Field, Request, NONE};

/// In ascending order of the keys.
pub(super) static REQUESTS: &[Request] = &[
    Request { key: 0, name: "Produce", versions: v(3, 13), flexible: v(9, 13), fields: PRODUCE },
    Request { key: 1, name: "Fetch", versions: v(4, 18), flexible: v(12, 18), fields: FETCH },
    Request { key: 2, name: "ListOffsets", versions: v(1, 11), flexible: v(6, 11), fields: LIST_OFFSETS },
    Request { key: 3, name: "Metadata", versions: v(0, 13), flexible: v(9, 13), fields: METADATA },
    Request { key: 8, name: "OffsetCommit", versions: v(2, 10), flexible: v(8, 10), fields: OFFSET_COMMIT },
    Request { key: 9, name: "OffsetFetch", versions: v(1, 10), flexible: v(6, 10), fields: OFFSET_FETCH },
    Request { key: 10, name: "FindCoordinator", versions: v(0, 6), flexible: v(3, 6), fields: FIND_COORDINATOR },
    Request { key: 11, name: "JoinGroup", versions: v(0, 9), flexible: v(6, 9), fields: JOIN_GROUP },
    Request { key: 12, name: "Heartbeat", versions: v(0, 4), flexible: v(4, 4), fields: HEARTBEAT },
    Request { key: 13, name: "LeaveGroup", versions: v(0, 5), flexible: v(4, 5), fields: LEAVE_GROUP },
    Request { key: 14, name: "SyncGroup", versions: v(0, 5), flexible: v(4, 5), fields: SYNC_GROUP },
    Request { key: 15, name: "DescribeGroups", versions: v(0, 6), flexible: v(5, 6), fields: DESCRIBE_GROUPS },
    Request { key: 16, name: "ListGroups", versions: v(0, 5), flexible: v(3, 5), fields: LIST_GROUPS },
    Request { key: 17, name: "SaslHandshake", versions: v(0, 1), flexible: NONE, fields: SASL_HANDSHAKE },
    Request { key: 18, name: "ApiVersions", versions: v(0, 4), flexible: v(3, 4), fields: API_VERSIONS },
    Request { key: 19, name: "CreateTopics", versions: v(2, 7), flexible: v(5, 7), fields: CREATE_TOPICS },
    Request { key: 20, name: "DeleteTopics", versions: v(1, 6), flexible: v(4, 6), fields: DELETE_TOPICS },
    Request { key: 21, name: "DeleteRecords", versions: v(0, 2), flexible: v(2, 2), fields: DELETE_RECORDS },
    Request { key: 22, name: "InitProducerId", versions: v(0, 6), flexible: v(2, 6), fields: INIT_PRODUCER_ID },
    Request { key: 23, name: "OffsetForLeaderEpoch", versions: v(2, 4), flexible: v(4, 4), fields: OFFSET_FOR_LEADER_EPOCH },
    Request { key: 24, name: "AddPartitionsToTxn", versions: v(0, 5), flexible: v(3, 5), fields: ADD_PARTITIONS_TO_TXN },
    Request { key: 25, name: "AddOffsetsToTxn", versions: v(0, 4), flexible: v(3, 4), fields: ADD_OFFSETS_TO_TXN },
    Request { key: 26, name: "EndTxn", versions: v(0, 5), flexible: v(3, 5), fields: END_TXN },
    Request { key: 27, name: "WriteTxnMarkers", versions: v(1, 2), flexible: v(1, 2), fields: WRITE_TXN_MARKERS },
    Request { key: 28, name: "TxnOffsetCommit", versions: v(0, 5), flexible: v(3, 5), fields: TXN_OFFSET_COMMIT },
    Request { key: 29, name: "DescribeAcls", versions: v(1, 3), flexible: v(2, 3), fields: DESCRIBE_ACLS },
    Request { key: 30, name: "CreateAcls", versions: v(1, 3), flexible: v(2, 3), fields: CREATE_ACLS },
    Request { key: 31, name: "DeleteAcls", versions: v(1, 3), flexible: v(2, 3), fields: DELETE_ACLS },
    Request { key: 32, name: "DescribeConfigs", versions: v(1, 4), flexible: v(4, 4), fields: DESCRIBE_CONFIGS },
    Request { key: 33, name: "AlterConfigs", versions: v(0, 2), flexible: v(2, 2), fields: ALTER_CONFIGS },
    Request { key: 34, name: "AlterReplicaLogDirs", versions: v(1, 2), flexible: v(2, 2), fields: ALTER_REPLICA_LOG_DIRS },
    Request { key: 35, name: "DescribeLogDirs", versions: v(1, 5), flexible: v(2, 5), fields: DESCRIBE_LOG_DIRS },
    Request { key: 36, name: "SaslAuthenticate", versions: v(0, 2), flexible: v(2, 2), fields: SASL_AUTHENTICATE },
    Request { key: 37, name: "CreatePartitions", versions: v(0, 3), flexible: v(2, 3), fields: CREATE_PARTITIONS },
    Request { key: 38, name: "CreateDelegationToken", versions: v(1, 3), flexible: v(2, 3), fields: CREATE_DELEGATION_TOKEN },
    Request { key: 39, name: "RenewDelegationToken", versions: v(1, 2), flexible: v(2, 2), fields: RENEW_DELEGATION_TOKEN },
    Request { key: 40, name: "ExpireDelegationToken", versions: v(1, 2), flexible: v(2, 2), fields: EXPIRE_DELEGATION_TOKEN },
    Request { key: 41, name: "DescribeDelegationToken", versions: v(1, 3), flexible: v(2, 3), fields: DESCRIBE_DELEGATION_TOKEN },
    Request { key: 42, name: "DeleteGroups", versions: v(0, 2), flexible: v(2, 2), fields: DELETE_GROUPS },
    Request { key: 43, name: "ElectLeaders", versions: v(0, 2), flexible: v(2, 2), fields: ELECT_LEADERS },
    Request { key: 44, name: "IncrementalAlterConfigs", versions: v(0, 1), flexible: v(1, 1), fields: INCREMENTAL_ALTER_CONFIGS },
    Request { key: 45, name: "AlterPartitionReassignments", versions: v(0, 1), flexible: v(0, 1), fields: ALTER_PARTITION_REASSIGNMENTS },
    Request { key: 46, name: "ListPartitionReassignments", versions: v(0, 0), flexible: v(0, 0), fields: LIST_PARTITION_REASSIGNMENTS },
    Request { key: 47, name: "OffsetDelete", versions: v(0, 0), flexible: NONE, fields: OFFSET_DELETE },
    Request { key: 48, name: "DescribeClientQuotas", versions: v(0, 1), flexible: v(1, 1), fields: DESCRIBE_CLIENT_QUOTAS },
    Request { key: 49, name: "AlterClientQuotas", versions: v(0, 1), flexible: v(1, 1), fields: ALTER_CLIENT_QUOTAS },
    Request { key: 50, name: "DescribeUserScramCredentials", versions: v(0, 0), flexible: v(0, 0), fields: DESCRIBE_USER_SCRAM_CREDENTIALS },
    Request { key: 51, name: "AlterUserScramCredentials", versions: v(0, 0), flexible: v(0, 0), fields: ALTER_USER_SCRAM_CREDENTIALS },
    Request { key: 52, name: "Vote", versions: v(0, 2), flexible: v(0, 2), fields: VOTE },
    Request { key: 53, name: "BeginQuorumEpoch", versions: v(0, 1), flexible: v(1, 1), fields: BEGIN_QUORUM_EPOCH },
    Request { key: 54, name: "EndQuorumEpoch", versions: v(0, 1), flexible: v(1, 1), fields: END_QUORUM_EPOCH },
    Request { key: 55, name: "DescribeQuorum", versions: v(0, 2), flexible: v(0, 2), fields: DESCRIBE_QUORUM },
    Request { key: 56, name: "AlterPartition", versions: v(2, 3), flexible: v(2, 3), fields: ALTER_PARTITION },
    Request { key: 57, name: "UpdateFeatures", versions: v(0, 2), flexible: v(0, 2), fields: UPDATE_FEATURES },
    Request { key: 58, name: "Envelope", versions: v(0, 0), flexible: v(0, 0), fields: ENVELOPE },
    Request { key: 59, name: "FetchSnapshot", versions: v(0, 1), flexible: v(0, 1), fields: FETCH_SNAPSHOT },
    Request { key: 60, name: "DescribeCluster", versions: v(0, 2), flexible: v(0, 2), fields: DESCRIBE_CLUSTER },
    Request { key: 61, name: "DescribeProducers", versions: v(0, 0), flexible: v(0, 0), fields: DESCRIBE_PRODUCERS },
    Request { key: 62, name: "BrokerRegistration", versions: v(0, 4), flexible: v(0, 4), fields: BROKER_REGISTRATION },
    Request { key: 63, name: "BrokerHeartbeat", versions: v(0, 2), flexible: v(0, 2), fields: BROKER_HEARTBEAT },
    Request { key: 64, name: "UnregisterBroker", versions: v(0, 0), flexible: v(0, 0), fields: UNREGISTER_BROKER },
    Request { key: 65, name: "DescribeTransactions", versions: v(0, 0), flexible: v(0, 0), fields: DESCRIBE_TRANSACTIONS },
    Request { key: 66, name: "ListTransactions", versions: v(0, 2), flexible: v(0, 2), fields: LIST_TRANSACTIONS },
    Request { key: 67, name: "AllocateProducerIds", versions: v(0, 0), flexible: v(0, 0), fields: ALLOCATE_PRODUCER_IDS },
    Request { key: 68, name: "ConsumerGroupHeartbeat", versions: v(0, 1), flexible: v(0, 1), fields: CONSUMER_GROUP_HEARTBEAT },
    Request { key: 69, name: "ConsumerGroupDescribe", versions: v(0, 1), flexible: v(0, 1), fields: CONSUMER_GROUP_DESCRIBE },
    Request { key: 70, name: "ControllerRegistration", versions: v(0, 0), flexible: v(0, 0), fields: CONTROLLER_REGISTRATION },
    Request { key: 71, name: "GetTelemetrySubscriptions", versions: v(0, 0), flexible: v(0, 0), fields: GET_TELEMETRY_SUBSCRIPTIONS },
    Request { key: 72, name: "PushTelemetry", versions: v(0, 0), flexible: v(0, 0), fields: PUSH_TELEMETRY },
    Request { key: 73, name: "AssignReplicasToDirs", versions: v(0, 0), flexible: v(0, 0), fields: ASSIGN_REPLICAS_TO_DIRS },
    Request { key: 74, name: "ListConfigResources", versions: v(0, 1), flexible: v(0, 1), fields: LIST_CONFIG_RESOURCES },
    Request { key: 75, name: "DescribeTopicPartitions", versions: v(0, 0), flexible: v(0, 0), fields: DESCRIBE_TOPIC_PARTITIONS },
    Request { key: 76, name: "ShareGroupHeartbeat", versions: v(1, 1), flexible: v(1, 1), fields: SHARE_GROUP_HEARTBEAT },
    Request { key: 77, name: "ShareGroupDescribe", versions: v(1, 1), flexible: v(1, 1), fields: SHARE_GROUP_DESCRIBE },
    Request { key: 78, name: "ShareFetch", versions: v(1, 2), flexible: v(1, 2), fields: SHARE_FETCH },
    Request { key: 79, name: "ShareAcknowledge", versions: v(1, 2), flexible: v(1, 2), fields: SHARE_ACKNOWLEDGE },
    Request { key: 80, name: "AddRaftVoter", versions: v(0, 1), flexible: v(0, 1), fields: ADD_RAFT_VOTER },
    Request { key: 81, name: "RemoveRaftVoter", versions: v(0, 0), flexible: v(0, 0), fields: REMOVE_RAFT_VOTER },
    Request { key: 82, name: "UpdateRaftVoter", versions: v(0, 0), flexible: v(0, 0), fields: UPDATE_RAFT_VOTER },
    Request { key: 83, name: "InitializeShareGroupState", versions: v(0, 0), flexible: v(0, 0), fields: INITIALIZE_SHARE_GROUP_STATE },
    Request { key: 84, name: "ReadShareGroupState", versions: v(0, 0), flexible: v(0, 0), fields: READ_SHARE_GROUP_STATE },
    Request { key: 85, name: "WriteShareGroupState", versions: v(0, 1), flexible: v(0, 1), fields: WRITE_SHARE_GROUP_STATE },
    Request { key: 86, name: "DeleteShareGroupState", versions: v(0, 0), flexible: v(0, 0), fields: DELETE_SHARE_GROUP_STATE },
    Request { key: 87, name: "ReadShareGroupStateSummary", versions: v(0, 1), flexible: v(0, 1), fields: READ_SHARE_GROUP_STATE_SUMMARY },
    Request { key: 88, name: "StreamsGroupHeartbeat", versions: v(0, 0), flexible: v(0, 0), fields: STREAMS_GROUP_HEARTBEAT },
    Request { key: 89, name: "StreamsGroupDescribe", versions: v(0, 0), flexible: v(0, 0), fields: STREAMS_GROUP_DESCRIBE },
    Request { key: 90, name: "DescribeShareGroupOffsets", versions: v(0, 1), flexible: v(0, 1), fields: DESCRIBE_SHARE_GROUP_OFFSETS },
    Request { key: 91, name: "AlterShareGroupOffsets", versions: v(0, 0), flexible: v(0, 0), fields: ALTER_SHARE_GROUP_OFFSETS },
    Request { key: 92, name: "DeleteShareGroupOffsets", versions: v(0, 0), flexible: v(0, 0), fields: DELETE_SHARE_GROUP_OFFSETS },
];

const PRODUCE: &[Field] = &[
    field("TransactionalId", v(3, 13), v(3, 13), String),
    field("Acks", v(3, 13), NONE, Fixed(2)),
    field("TimeoutMs", v(3, 13), NONE, Fixed(4)),
    field("TopicData", v(3, 13), NONE, StructArray(3, PRODUCE_TOPIC_DATA)),
];

const PRODUCE_TOPIC_DATA: &[Field] = &[
    field("Name", v(3, 12), NONE, String),
    field("TopicId", v(13, 13), NONE, Fixed(16)),
    field("PartitionData", v(3, 13), NONE, StructArray(6, PRODUCE_TOPIC_DATA_PARTITION_DATA)),
];

const PRODUCE_TOPIC_DATA_PARTITION_DATA: &[Field] = &[
    field("Index", v(3, 13), NONE, Fixed(4)),
    field("Records", v(3, 13), v(3, 13), Bytes),
];

const FETCH: &[Field] = &[
    field("ClusterId", v(12, 18), v(12, 18), String).tagged(0, v(12, 18)),
    field("ReplicaId", v(4, 14), NONE, Fixed(4)),
    field("ReplicaState", v(15, 18), NONE, Struct(FETCH_REPLICA_STATE)).tagged(1, v(15, 18)),
    field("MaxWaitMs", v(4, 18), NONE, Fixed(4)),
    field("MinBytes", v(4, 18), NONE, Fixed(4)),
    field("MaxBytes", v(4, 18), NONE, Fixed(4)),
    field("IsolationLevel", v(4, 18), NONE, Fixed(1)),
    field("SessionId", v(7, 18), NONE, Fixed(4)),
    field("SessionEpoch", v(7, 18), NONE, Fixed(4)),
    field("Topics", v(4, 18), NONE, StructArray(3, FETCH_TOPICS)),
    field("ForgottenTopicsData", v(7, 18), NONE, StructArray(0, FETCH_FORGOTTEN_TOPICS_DATA)),
    field("RackId", v(11, 18), NONE, String),
];

const FETCH_REPLICA_STATE: &[Field] = &[
    field("ReplicaId", v(15, 18), NONE, Fixed(4)),
    field("ReplicaEpoch", v(15, 18), NONE, Fixed(8)),
];

const FETCH_TOPICS: &[Field] = &[
    field("Topic", v(4, 12), NONE, String),
    field("TopicId", v(13, 18), NONE, Fixed(16)),
    field("Partitions", v(4, 18), NONE, StructArray(16, FETCH_TOPICS_PARTITIONS)),
];

const FETCH_TOPICS_PARTITIONS: &[Field] = &[
    field("Partition", v(4, 18), NONE, Fixed(4)),
    field("CurrentLeaderEpoch", v(9, 18), NONE, Fixed(4)),
    field("FetchOffset", v(4, 18), NONE, Fixed(8)),
    field("LastFetchedEpoch", v(12, 18), NONE, Fixed(4)),
    field("LogStartOffset", v(5, 18), NONE, Fixed(8)),
    field("PartitionMaxBytes", v(4, 18), NONE, Fixed(4)),
    field("ReplicaDirectoryId", v(17, 18), NONE, Fixed(16)).tagged(0, v(17, 18)),
    field("HighWatermark", v(18, 18), NONE, Fixed(8)).tagged(1, v(18, 18)),
];

const FETCH_FORGOTTEN_TOPICS_DATA: &[Field] = &[
    field("Topic", v(7, 12), NONE, String),
    field("TopicId", v(13, 18), NONE, Fixed(16)),
    field("Partitions", v(7, 18), NONE, FixedArray(4)),
];

const LIST_OFFSETS: &[Field] = &[
    field("ReplicaId", v(1, 11), NONE, Fixed(4)),
    field("IsolationLevel", v(2, 11), NONE, Fixed(1)),
    field("Topics", v(1, 11), NONE, StructArray(3, LIST_OFFSETS_TOPICS)),
    field("TimeoutMs", v(10, 11), NONE, Fixed(4)),
];

const LIST_OFFSETS_TOPICS: &[Field] = &[
    field("Name", v(1, 11), NONE, String),
    field("Partitions", v(1, 11), NONE, StructArray(12, LIST_OFFSETS_TOPICS_PARTITIONS)),
];

const LIST_OFFSETS_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(1, 11), NONE, Fixed(4)),
    field("CurrentLeaderEpoch", v(4, 11), NONE, Fixed(4)),
    field("Timestamp", v(1, 11), NONE, Fixed(8)),
];

const METADATA: &[Field] = &[
    field("Topics", v(0, 13), v(1, 13), StructArray(2, METADATA_TOPICS)),
    field("AllowAutoTopicCreation", v(4, 13), NONE, Fixed(1)),
    field("IncludeClusterAuthorizedOperations", v(8, 10), NONE, Fixed(1)),
    field("IncludeTopicAuthorizedOperations", v(8, 13), NONE, Fixed(1)),
];

const METADATA_TOPICS: &[Field] = &[
    field("TopicId", v(10, 13), NONE, Fixed(16)),
    field("Name", v(0, 13), v(10, 13), String),
];

const OFFSET_COMMIT: &[Field] = &[
    field("GroupId", v(2, 10), NONE, String),
    field("GenerationIdOrMemberEpoch", v(2, 10), NONE, Fixed(4)),
    field("MemberId", v(2, 10), NONE, String),
    field("GroupInstanceId", v(7, 10), v(7, 10), String),
    field("RetentionTimeMs", v(2, 4), NONE, Fixed(8)),
    field("Topics", v(2, 10), NONE, StructArray(3, OFFSET_COMMIT_TOPICS)),
];

const OFFSET_COMMIT_TOPICS: &[Field] = &[
    field("Name", v(2, 9), NONE, String),
    field("TopicId", v(10, 10), NONE, Fixed(16)),
    field("Partitions", v(2, 10), NONE, StructArray(14, OFFSET_COMMIT_TOPICS_PARTITIONS)),
];

const OFFSET_COMMIT_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(2, 10), NONE, Fixed(4)),
    field("CommittedOffset", v(2, 10), NONE, Fixed(8)),
    field("CommittedLeaderEpoch", v(6, 10), NONE, Fixed(4)),
    field("CommittedMetadata", v(2, 10), v(2, 10), String),
];

const OFFSET_FETCH: &[Field] = &[
    field("GroupId", v(1, 7), NONE, String),
    field("Topics", v(1, 7), v(2, 7), StructArray(1, OFFSET_FETCH_TOPICS)),
    field("Groups", v(8, 10), NONE, StructArray(0, OFFSET_FETCH_GROUPS)),
    field("RequireStable", v(7, 10), NONE, Fixed(1)),
];

const OFFSET_FETCH_TOPICS: &[Field] = &[
    field("Name", v(1, 7), NONE, String),
    field("PartitionIndexes", v(1, 7), NONE, FixedArray(4)),
];

const OFFSET_FETCH_GROUPS: &[Field] = &[
    field("GroupId", v(8, 10), NONE, String),
    field("MemberId", v(9, 10), v(9, 10), String),
    field("MemberEpoch", v(9, 10), NONE, Fixed(4)),
    field("Topics", v(8, 10), v(8, 10), StructArray(0, OFFSET_FETCH_GROUPS_TOPICS)),
];

const OFFSET_FETCH_GROUPS_TOPICS: &[Field] = &[
    field("Name", v(8, 9), NONE, String),
    field("TopicId", v(10, 10), NONE, Fixed(16)),
    field("PartitionIndexes", v(8, 10), NONE, FixedArray(4)),
];

const FIND_COORDINATOR: &[Field] = &[
    field("Key", v(0, 3), NONE, String),
    field("KeyType", v(1, 6), NONE, Fixed(1)),
    field("CoordinatorKeys", v(4, 6), NONE, StringArray),
];

const JOIN_GROUP: &[Field] = &[
    field("GroupId", v(0, 9), NONE, String),
    field("SessionTimeoutMs", v(0, 9), NONE, Fixed(4)),
    field("RebalanceTimeoutMs", v(1, 9), NONE, Fixed(4)),
    field("MemberId", v(0, 9), NONE, String),
    field("GroupInstanceId", v(5, 9), v(5, 9), String),
    field("ProtocolType", v(0, 9), NONE, String),
    field("Protocols", v(0, 9), NONE, StructArray(3, JOIN_GROUP_PROTOCOLS)),
    field("Reason", v(8, 9), v(8, 9), String),
];

const JOIN_GROUP_PROTOCOLS: &[Field] = &[
    field("Name", v(0, 9), NONE, String),
    field("Metadata", v(0, 9), NONE, Bytes),
];

const HEARTBEAT: &[Field] = &[
    field("GroupId", v(0, 4), NONE, String),
    field("GenerationId", v(0, 4), NONE, Fixed(4)),
    field("MemberId", v(0, 4), NONE, String),
    field("GroupInstanceId", v(3, 4), v(3, 4), String),
];

const LEAVE_GROUP: &[Field] = &[
    field("GroupId", v(0, 5), NONE, String),
    field("MemberId", v(0, 2), NONE, String),
    field("Members", v(3, 5), NONE, StructArray(0, LEAVE_GROUP_MEMBERS)),
];

const LEAVE_GROUP_MEMBERS: &[Field] = &[
    field("MemberId", v(3, 5), NONE, String),
    field("GroupInstanceId", v(3, 5), v(3, 5), String),
    field("Reason", v(5, 5), v(5, 5), String),
];

const SYNC_GROUP: &[Field] = &[
    field("GroupId", v(0, 5), NONE, String),
    field("GenerationId", v(0, 5), NONE, Fixed(4)),
    field("MemberId", v(0, 5), NONE, String),
    field("GroupInstanceId", v(3, 5), v(3, 5), String),
    field("ProtocolType", v(5, 5), v(5, 5), String),
    field("ProtocolName", v(5, 5), v(5, 5), String),
    field("Assignments", v(0, 5), NONE, StructArray(3, SYNC_GROUP_ASSIGNMENTS)),
];

const SYNC_GROUP_ASSIGNMENTS: &[Field] = &[
    field("MemberId", v(0, 5), NONE, String),
    field("Assignment", v(0, 5), NONE, Bytes),
];

const DESCRIBE_GROUPS: &[Field] = &[
    field("Groups", v(0, 6), NONE, StringArray),
    field("IncludeAuthorizedOperations", v(3, 6), NONE, Fixed(1)),
];

const LIST_GROUPS: &[Field] = &[
    field("StatesFilter", v(4, 5), NONE, StringArray),
    field("TypesFilter", v(5, 5), NONE, StringArray),
];

const SASL_HANDSHAKE: &[Field] = &[
    field("Mechanism", v(0, 1), NONE, String),
];

const API_VERSIONS: &[Field] = &[
    field("ClientSoftwareName", v(3, 4), NONE, String),
    field("ClientSoftwareVersion", v(3, 4), NONE, String),
];

const CREATE_TOPICS: &[Field] = &[
    field("Topics", v(2, 7), NONE, StructArray(10, CREATE_TOPICS_TOPICS)),
    field("timeoutMs", v(2, 7), NONE, Fixed(4)),
    field("validateOnly", v(2, 7), NONE, Fixed(1)),
];

const CREATE_TOPICS_TOPICS: &[Field] = &[
    field("Name", v(2, 7), NONE, String),
    field("NumPartitions", v(2, 7), NONE, Fixed(4)),
    field("ReplicationFactor", v(2, 7), NONE, Fixed(2)),
    field("Assignments", v(2, 7), NONE, StructArray(6, CREATE_TOPICS_TOPICS_ASSIGNMENTS)),
    field("Configs", v(2, 7), NONE, StructArray(3, CREATE_TOPICS_TOPICS_CONFIGS)),
];

const CREATE_TOPICS_TOPICS_ASSIGNMENTS: &[Field] = &[
    field("PartitionIndex", v(2, 7), NONE, Fixed(4)),
    field("BrokerIds", v(2, 7), NONE, FixedArray(4)),
];

const CREATE_TOPICS_TOPICS_CONFIGS: &[Field] = &[
    field("Name", v(2, 7), NONE, String),
    field("Value", v(2, 7), v(2, 7), String),
];

const DELETE_TOPICS: &[Field] = &[
    field("Topics", v(6, 6), NONE, StructArray(0, DELETE_TOPICS_TOPICS)),
    field("TopicNames", v(1, 5), NONE, StringArray),
    field("TimeoutMs", v(1, 6), NONE, Fixed(4)),
];

const DELETE_TOPICS_TOPICS: &[Field] = &[
    field("Name", v(6, 6), v(6, 6), String),
    field("TopicId", v(6, 6), NONE, Fixed(16)),
];

const DELETE_RECORDS: &[Field] = &[
    field("Topics", v(0, 2), NONE, StructArray(3, DELETE_RECORDS_TOPICS)),
    field("TimeoutMs", v(0, 2), NONE, Fixed(4)),
];

const DELETE_RECORDS_TOPICS: &[Field] = &[
    field("Name", v(0, 2), NONE, String),
    field("Partitions", v(0, 2), NONE, StructArray(12, DELETE_RECORDS_TOPICS_PARTITIONS)),
];

const DELETE_RECORDS_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 2), NONE, Fixed(4)),
    field("Offset", v(0, 2), NONE, Fixed(8)),
];

const INIT_PRODUCER_ID: &[Field] = &[
    field("TransactionalId", v(0, 6), v(0, 6), String),
    field("TransactionTimeoutMs", v(0, 6), NONE, Fixed(4)),
    field("ProducerId", v(3, 6), NONE, Fixed(8)),
    field("ProducerEpoch", v(3, 6), NONE, Fixed(2)),
    field("Enable2Pc", v(6, 6), NONE, Fixed(1)),
    field("KeepPreparedTxn", v(6, 6), NONE, Fixed(1)),
];

const OFFSET_FOR_LEADER_EPOCH: &[Field] = &[
    field("ReplicaId", v(3, 4), NONE, Fixed(4)),
    field("Topics", v(2, 4), NONE, StructArray(3, OFFSET_FOR_LEADER_EPOCH_TOPICS)),
];

const OFFSET_FOR_LEADER_EPOCH_TOPICS: &[Field] = &[
    field("Topic", v(2, 4), NONE, String),
    field("Partitions", v(2, 4), NONE, StructArray(12, OFFSET_FOR_LEADER_EPOCH_TOPICS_PARTITIONS)),
];

const OFFSET_FOR_LEADER_EPOCH_TOPICS_PARTITIONS: &[Field] = &[
    field("Partition", v(2, 4), NONE, Fixed(4)),
    field("CurrentLeaderEpoch", v(2, 4), NONE, Fixed(4)),
    field("LeaderEpoch", v(2, 4), NONE, Fixed(4)),
];

const ADD_PARTITIONS_TO_TXN: &[Field] = &[
    field("Transactions", v(4, 5), NONE, StructArray(0, ADD_PARTITIONS_TO_TXN_TRANSACTIONS)),
    field("V3AndBelowTransactionalId", v(0, 3), NONE, String),
    field("V3AndBelowProducerId", v(0, 3), NONE, Fixed(8)),
    field("V3AndBelowProducerEpoch", v(0, 3), NONE, Fixed(2)),
    field("V3AndBelowTopics", v(0, 3), NONE, StructArray(3, ADD_PARTITIONS_TO_TXN_V3_AND_BELOW_TOPICS)),
];

const ADD_PARTITIONS_TO_TXN_TRANSACTIONS: &[Field] = &[
    field("TransactionalId", v(4, 5), NONE, String),
    field("ProducerId", v(4, 5), NONE, Fixed(8)),
    field("ProducerEpoch", v(4, 5), NONE, Fixed(2)),
    field("VerifyOnly", v(4, 5), NONE, Fixed(1)),
    field("Topics", v(4, 5), NONE, StructArray(3, ADD_PARTITIONS_TO_TXN_TRANSACTIONS_TOPICS)),
];

const ADD_PARTITIONS_TO_TXN_TRANSACTIONS_TOPICS: &[Field] = &[
    field("Name", v(0, 5), NONE, String),
    field("Partitions", v(0, 5), NONE, FixedArray(4)),
];

const ADD_PARTITIONS_TO_TXN_V3_AND_BELOW_TOPICS: &[Field] = &[
    field("Name", v(0, 5), NONE, String),
    field("Partitions", v(0, 5), NONE, FixedArray(4)),
];

const ADD_OFFSETS_TO_TXN: &[Field] = &[
    field("TransactionalId", v(0, 4), NONE, String),
    field("ProducerId", v(0, 4), NONE, Fixed(8)),
    field("ProducerEpoch", v(0, 4), NONE, Fixed(2)),
    field("GroupId", v(0, 4), NONE, String),
];

const END_TXN: &[Field] = &[
    field("TransactionalId", v(0, 5), NONE, String),
    field("ProducerId", v(0, 5), NONE, Fixed(8)),
    field("ProducerEpoch", v(0, 5), NONE, Fixed(2)),
    field("Committed", v(0, 5), NONE, Fixed(1)),
];

const WRITE_TXN_MARKERS: &[Field] = &[
    field("Markers", v(1, 2), NONE, StructArray(17, WRITE_TXN_MARKERS_MARKERS)),
];

const WRITE_TXN_MARKERS_MARKERS: &[Field] = &[
    field("ProducerId", v(1, 2), NONE, Fixed(8)),
    field("ProducerEpoch", v(1, 2), NONE, Fixed(2)),
    field("TransactionResult", v(1, 2), NONE, Fixed(1)),
    field("Topics", v(1, 2), NONE, StructArray(3, WRITE_TXN_MARKERS_MARKERS_TOPICS)),
    field("CoordinatorEpoch", v(1, 2), NONE, Fixed(4)),
    field("TransactionVersion", v(2, 2), NONE, Fixed(1)),
];

const WRITE_TXN_MARKERS_MARKERS_TOPICS: &[Field] = &[
    field("Name", v(1, 2), NONE, String),
    field("PartitionIndexes", v(1, 2), NONE, FixedArray(4)),
];

const TXN_OFFSET_COMMIT: &[Field] = &[
    field("TransactionalId", v(0, 5), NONE, String),
    field("GroupId", v(0, 5), NONE, String),
    field("ProducerId", v(0, 5), NONE, Fixed(8)),
    field("ProducerEpoch", v(0, 5), NONE, Fixed(2)),
    field("GenerationId", v(3, 5), NONE, Fixed(4)),
    field("MemberId", v(3, 5), NONE, String),
    field("GroupInstanceId", v(3, 5), v(3, 5), String),
    field("Topics", v(0, 5), NONE, StructArray(3, TXN_OFFSET_COMMIT_TOPICS)),
];

const TXN_OFFSET_COMMIT_TOPICS: &[Field] = &[
    field("Name", v(0, 5), NONE, String),
    field("Partitions", v(0, 5), NONE, StructArray(14, TXN_OFFSET_COMMIT_TOPICS_PARTITIONS)),
];

const TXN_OFFSET_COMMIT_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 5), NONE, Fixed(4)),
    field("CommittedOffset", v(0, 5), NONE, Fixed(8)),
    field("CommittedLeaderEpoch", v(2, 5), NONE, Fixed(4)),
    field("CommittedMetadata", v(0, 5), v(0, 5), String),
];

const DESCRIBE_ACLS: &[Field] = &[
    field("ResourceTypeFilter", v(1, 3), NONE, Fixed(1)),
    field("ResourceNameFilter", v(1, 3), v(1, 3), String),
    field("PatternTypeFilter", v(1, 3), NONE, Fixed(1)),
    field("PrincipalFilter", v(1, 3), v(1, 3), String),
    field("HostFilter", v(1, 3), v(1, 3), String),
    field("Operation", v(1, 3), NONE, Fixed(1)),
    field("PermissionType", v(1, 3), NONE, Fixed(1)),
];

const CREATE_ACLS: &[Field] = &[
    field("Creations", v(1, 3), NONE, StructArray(8, CREATE_ACLS_CREATIONS)),
];

const CREATE_ACLS_CREATIONS: &[Field] = &[
    field("ResourceType", v(1, 3), NONE, Fixed(1)),
    field("ResourceName", v(1, 3), NONE, String),
    field("ResourcePatternType", v(1, 3), NONE, Fixed(1)),
    field("Principal", v(1, 3), NONE, String),
    field("Host", v(1, 3), NONE, String),
    field("Operation", v(1, 3), NONE, Fixed(1)),
    field("PermissionType", v(1, 3), NONE, Fixed(1)),
];

const DELETE_ACLS: &[Field] = &[
    field("Filters", v(1, 3), NONE, StructArray(8, DELETE_ACLS_FILTERS)),
];

const DELETE_ACLS_FILTERS: &[Field] = &[
    field("ResourceTypeFilter", v(1, 3), NONE, Fixed(1)),
    field("ResourceNameFilter", v(1, 3), v(1, 3), String),
    field("PatternTypeFilter", v(1, 3), NONE, Fixed(1)),
    field("PrincipalFilter", v(1, 3), v(1, 3), String),
    field("HostFilter", v(1, 3), v(1, 3), String),
    field("Operation", v(1, 3), NONE, Fixed(1)),
    field("PermissionType", v(1, 3), NONE, Fixed(1)),
];

const DESCRIBE_CONFIGS: &[Field] = &[
    field("Resources", v(1, 4), NONE, StructArray(4, DESCRIBE_CONFIGS_RESOURCES)),
    field("IncludeSynonyms", v(1, 4), NONE, Fixed(1)),
    field("IncludeDocumentation", v(3, 4), NONE, Fixed(1)),
];

const DESCRIBE_CONFIGS_RESOURCES: &[Field] = &[
    field("ResourceType", v(1, 4), NONE, Fixed(1)),
    field("ResourceName", v(1, 4), NONE, String),
    field("ConfigurationKeys", v(1, 4), v(1, 4), StringArray),
];

const ALTER_CONFIGS: &[Field] = &[
    field("Resources", v(0, 2), NONE, StructArray(4, ALTER_CONFIGS_RESOURCES)),
    field("ValidateOnly", v(0, 2), NONE, Fixed(1)),
];

const ALTER_CONFIGS_RESOURCES: &[Field] = &[
    field("ResourceType", v(0, 2), NONE, Fixed(1)),
    field("ResourceName", v(0, 2), NONE, String),
    field("Configs", v(0, 2), NONE, StructArray(3, ALTER_CONFIGS_RESOURCES_CONFIGS)),
];

const ALTER_CONFIGS_RESOURCES_CONFIGS: &[Field] = &[
    field("Name", v(0, 2), NONE, String),
    field("Value", v(0, 2), v(0, 2), String),
];

const ALTER_REPLICA_LOG_DIRS: &[Field] = &[
    field("Dirs", v(1, 2), NONE, StructArray(3, ALTER_REPLICA_LOG_DIRS_DIRS)),
];

const ALTER_REPLICA_LOG_DIRS_DIRS: &[Field] = &[
    field("Path", v(1, 2), NONE, String),
    field("Topics", v(1, 2), NONE, StructArray(3, ALTER_REPLICA_LOG_DIRS_DIRS_TOPICS)),
];

const ALTER_REPLICA_LOG_DIRS_DIRS_TOPICS: &[Field] = &[
    field("Name", v(1, 2), NONE, String),
    field("Partitions", v(1, 2), NONE, FixedArray(4)),
];

const DESCRIBE_LOG_DIRS: &[Field] = &[
    field("Topics", v(1, 5), v(1, 5), StructArray(3, DESCRIBE_LOG_DIRS_TOPICS)),
];

const DESCRIBE_LOG_DIRS_TOPICS: &[Field] = &[
    field("Topic", v(1, 5), NONE, String),
    field("Partitions", v(1, 5), NONE, FixedArray(4)),
];

const SASL_AUTHENTICATE: &[Field] = &[
    field("AuthBytes", v(0, 2), NONE, Bytes),
];

const CREATE_PARTITIONS: &[Field] = &[
    field("Topics", v(0, 3), NONE, StructArray(7, CREATE_PARTITIONS_TOPICS)),
    field("TimeoutMs", v(0, 3), NONE, Fixed(4)),
    field("ValidateOnly", v(0, 3), NONE, Fixed(1)),
];

const CREATE_PARTITIONS_TOPICS: &[Field] = &[
    field("Name", v(0, 3), NONE, String),
    field("Count", v(0, 3), NONE, Fixed(4)),
    field("Assignments", v(0, 3), v(0, 3), StructArray(2, CREATE_PARTITIONS_TOPICS_ASSIGNMENTS)),
];

const CREATE_PARTITIONS_TOPICS_ASSIGNMENTS: &[Field] = &[
    field("BrokerIds", v(0, 3), NONE, FixedArray(4)),
];

const CREATE_DELEGATION_TOKEN: &[Field] = &[
    field("OwnerPrincipalType", v(3, 3), v(3, 3), String),
    field("OwnerPrincipalName", v(3, 3), v(3, 3), String),
    field("Renewers", v(1, 3), NONE, StructArray(3, CREATE_DELEGATION_TOKEN_RENEWERS)),
    field("MaxLifetimeMs", v(1, 3), NONE, Fixed(8)),
];

const CREATE_DELEGATION_TOKEN_RENEWERS: &[Field] = &[
    field("PrincipalType", v(1, 3), NONE, String),
    field("PrincipalName", v(1, 3), NONE, String),
];

const RENEW_DELEGATION_TOKEN: &[Field] = &[
    field("Hmac", v(1, 2), NONE, Bytes),
    field("RenewPeriodMs", v(1, 2), NONE, Fixed(8)),
];

const EXPIRE_DELEGATION_TOKEN: &[Field] = &[
    field("Hmac", v(1, 2), NONE, Bytes),
    field("ExpiryTimePeriodMs", v(1, 2), NONE, Fixed(8)),
];

const DESCRIBE_DELEGATION_TOKEN: &[Field] = &[
    field("Owners", v(1, 3), v(1, 3), StructArray(3, DESCRIBE_DELEGATION_TOKEN_OWNERS)),
];

const DESCRIBE_DELEGATION_TOKEN_OWNERS: &[Field] = &[
    field("PrincipalType", v(1, 3), NONE, String),
    field("PrincipalName", v(1, 3), NONE, String),
];

const DELETE_GROUPS: &[Field] = &[
    field("GroupsNames", v(0, 2), NONE, StringArray),
];

const ELECT_LEADERS: &[Field] = &[
    field("ElectionType", v(1, 2), NONE, Fixed(1)),
    field("TopicPartitions", v(0, 2), v(0, 2), StructArray(3, ELECT_LEADERS_TOPIC_PARTITIONS)),
    field("TimeoutMs", v(0, 2), NONE, Fixed(4)),
];

const ELECT_LEADERS_TOPIC_PARTITIONS: &[Field] = &[
    field("Topic", v(0, 2), NONE, String),
    field("Partitions", v(0, 2), NONE, FixedArray(4)),
];

const INCREMENTAL_ALTER_CONFIGS: &[Field] = &[
    field("Resources", v(0, 1), NONE, StructArray(4, INCREMENTAL_ALTER_CONFIGS_RESOURCES)),
    field("ValidateOnly", v(0, 1), NONE, Fixed(1)),
];

const INCREMENTAL_ALTER_CONFIGS_RESOURCES: &[Field] = &[
    field("ResourceType", v(0, 1), NONE, Fixed(1)),
    field("ResourceName", v(0, 1), NONE, String),
    field("Configs", v(0, 1), NONE, StructArray(4, INCREMENTAL_ALTER_CONFIGS_RESOURCES_CONFIGS)),
];

const INCREMENTAL_ALTER_CONFIGS_RESOURCES_CONFIGS: &[Field] = &[
    field("Name", v(0, 1), NONE, String),
    field("ConfigOperation", v(0, 1), NONE, Fixed(1)),
    field("Value", v(0, 1), v(0, 1), String),
];

const ALTER_PARTITION_REASSIGNMENTS: &[Field] = &[
    field("TimeoutMs", v(0, 1), NONE, Fixed(4)),
    field("AllowReplicationFactorChange", v(1, 1), NONE, Fixed(1)),
    field("Topics", v(0, 1), NONE, StructArray(3, ALTER_PARTITION_REASSIGNMENTS_TOPICS)),
];

const ALTER_PARTITION_REASSIGNMENTS_TOPICS: &[Field] = &[
    field("Name", v(0, 1), NONE, String),
    field("Partitions", v(0, 1), NONE, StructArray(6, ALTER_PARTITION_REASSIGNMENTS_TOPICS_PARTITIONS)),
];

const ALTER_PARTITION_REASSIGNMENTS_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 1), NONE, Fixed(4)),
    field("Replicas", v(0, 1), v(0, 1), FixedArray(4)),
];

const LIST_PARTITION_REASSIGNMENTS: &[Field] = &[
    field("TimeoutMs", v(0, 0), NONE, Fixed(4)),
    field("Topics", v(0, 0), v(0, 0), StructArray(3, LIST_PARTITION_REASSIGNMENTS_TOPICS)),
];

const LIST_PARTITION_REASSIGNMENTS_TOPICS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("PartitionIndexes", v(0, 0), NONE, FixedArray(4)),
];

const OFFSET_DELETE: &[Field] = &[
    field("GroupId", v(0, 0), NONE, String),
    field("Topics", v(0, 0), NONE, StructArray(6, OFFSET_DELETE_TOPICS)),
];

const OFFSET_DELETE_TOPICS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("Partitions", v(0, 0), NONE, StructArray(4, OFFSET_DELETE_TOPICS_PARTITIONS)),
];

const OFFSET_DELETE_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 0), NONE, Fixed(4)),
];

const DESCRIBE_CLIENT_QUOTAS: &[Field] = &[
    field("Components", v(0, 1), NONE, StructArray(4, DESCRIBE_CLIENT_QUOTAS_COMPONENTS)),
    field("Strict", v(0, 1), NONE, Fixed(1)),
];

const DESCRIBE_CLIENT_QUOTAS_COMPONENTS: &[Field] = &[
    field("EntityType", v(0, 1), NONE, String),
    field("MatchType", v(0, 1), NONE, Fixed(1)),
    field("Match", v(0, 1), v(0, 1), String),
];

const ALTER_CLIENT_QUOTAS: &[Field] = &[
    field("Entries", v(0, 1), NONE, StructArray(3, ALTER_CLIENT_QUOTAS_ENTRIES)),
    field("ValidateOnly", v(0, 1), NONE, Fixed(1)),
];

const ALTER_CLIENT_QUOTAS_ENTRIES: &[Field] = &[
    field("Entity", v(0, 1), NONE, StructArray(3, ALTER_CLIENT_QUOTAS_ENTRIES_ENTITY)),
    field("Ops", v(0, 1), NONE, StructArray(11, ALTER_CLIENT_QUOTAS_ENTRIES_OPS)),
];

const ALTER_CLIENT_QUOTAS_ENTRIES_ENTITY: &[Field] = &[
    field("EntityType", v(0, 1), NONE, String),
    field("EntityName", v(0, 1), v(0, 1), String),
];

const ALTER_CLIENT_QUOTAS_ENTRIES_OPS: &[Field] = &[
    field("Key", v(0, 1), NONE, String),
    field("Value", v(0, 1), NONE, Fixed(8)),
    field("Remove", v(0, 1), NONE, Fixed(1)),
];

const DESCRIBE_USER_SCRAM_CREDENTIALS: &[Field] = &[
    field("Users", v(0, 0), v(0, 0), StructArray(2, DESCRIBE_USER_SCRAM_CREDENTIALS_USERS)),
];

const DESCRIBE_USER_SCRAM_CREDENTIALS_USERS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
];

const ALTER_USER_SCRAM_CREDENTIALS: &[Field] = &[
    field("Deletions", v(0, 0), NONE, StructArray(3, ALTER_USER_SCRAM_CREDENTIALS_DELETIONS)),
    field("Upsertions", v(0, 0), NONE, StructArray(9, ALTER_USER_SCRAM_CREDENTIALS_UPSERTIONS)),
];

const ALTER_USER_SCRAM_CREDENTIALS_DELETIONS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("Mechanism", v(0, 0), NONE, Fixed(1)),
];

const ALTER_USER_SCRAM_CREDENTIALS_UPSERTIONS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("Mechanism", v(0, 0), NONE, Fixed(1)),
    field("Iterations", v(0, 0), NONE, Fixed(4)),
    field("Salt", v(0, 0), NONE, Bytes),
    field("SaltedPassword", v(0, 0), NONE, Bytes),
];

const VOTE: &[Field] = &[
    field("ClusterId", v(0, 2), v(0, 2), String),
    field("VoterId", v(1, 2), NONE, Fixed(4)),
    field("Topics", v(0, 2), NONE, StructArray(3, VOTE_TOPICS)),
];

const VOTE_TOPICS: &[Field] = &[
    field("TopicName", v(0, 2), NONE, String),
    field("Partitions", v(0, 2), NONE, StructArray(25, VOTE_TOPICS_PARTITIONS)),
];

const VOTE_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 2), NONE, Fixed(4)),
    field("ReplicaEpoch", v(0, 2), NONE, Fixed(4)),
    field("ReplicaId", v(0, 2), NONE, Fixed(4)),
    field("ReplicaDirectoryId", v(1, 2), NONE, Fixed(16)),
    field("VoterDirectoryId", v(1, 2), NONE, Fixed(16)),
    field("LastOffsetEpoch", v(0, 2), NONE, Fixed(4)),
    field("LastOffset", v(0, 2), NONE, Fixed(8)),
    field("PreVote", v(2, 2), NONE, Fixed(1)),
];

const BEGIN_QUORUM_EPOCH: &[Field] = &[
    field("ClusterId", v(0, 1), v(0, 1), String),
    field("VoterId", v(1, 1), NONE, Fixed(4)),
    field("Topics", v(0, 1), NONE, StructArray(3, BEGIN_QUORUM_EPOCH_TOPICS)),
    field("LeaderEndpoints", v(1, 1), NONE, StructArray(0, BEGIN_QUORUM_EPOCH_LEADER_ENDPOINTS)),
];

const BEGIN_QUORUM_EPOCH_TOPICS: &[Field] = &[
    field("TopicName", v(0, 1), NONE, String),
    field("Partitions", v(0, 1), NONE, StructArray(12, BEGIN_QUORUM_EPOCH_TOPICS_PARTITIONS)),
];

const BEGIN_QUORUM_EPOCH_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 1), NONE, Fixed(4)),
    field("VoterDirectoryId", v(1, 1), NONE, Fixed(16)),
    field("LeaderId", v(0, 1), NONE, Fixed(4)),
    field("LeaderEpoch", v(0, 1), NONE, Fixed(4)),
];

const BEGIN_QUORUM_EPOCH_LEADER_ENDPOINTS: &[Field] = &[
    field("Name", v(1, 1), NONE, String),
    field("Host", v(1, 1), NONE, String),
    field("Port", v(1, 1), NONE, Fixed(2)),
];

const END_QUORUM_EPOCH: &[Field] = &[
    field("ClusterId", v(0, 1), v(0, 1), String),
    field("Topics", v(0, 1), NONE, StructArray(3, END_QUORUM_EPOCH_TOPICS)),
    field("LeaderEndpoints", v(1, 1), NONE, StructArray(0, END_QUORUM_EPOCH_LEADER_ENDPOINTS)),
];

const END_QUORUM_EPOCH_TOPICS: &[Field] = &[
    field("TopicName", v(0, 1), NONE, String),
    field("Partitions", v(0, 1), NONE, StructArray(14, END_QUORUM_EPOCH_TOPICS_PARTITIONS)),
];

const END_QUORUM_EPOCH_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 1), NONE, Fixed(4)),
    field("LeaderId", v(0, 1), NONE, Fixed(4)),
    field("LeaderEpoch", v(0, 1), NONE, Fixed(4)),
    field("PreferredSuccessors", v(0, 0), NONE, FixedArray(4)),
    field("PreferredCandidates", v(1, 1), NONE, StructArray(0, END_QUORUM_EPOCH_TOPICS_PARTITIONS_PREFERRED_CANDIDATES)),
];

const END_QUORUM_EPOCH_TOPICS_PARTITIONS_PREFERRED_CANDIDATES: &[Field] = &[
    field("CandidateId", v(1, 1), NONE, Fixed(4)),
    field("CandidateDirectoryId", v(1, 1), NONE, Fixed(16)),
];

const END_QUORUM_EPOCH_LEADER_ENDPOINTS: &[Field] = &[
    field("Name", v(1, 1), NONE, String),
    field("Host", v(1, 1), NONE, String),
    field("Port", v(1, 1), NONE, Fixed(2)),
];

const DESCRIBE_QUORUM: &[Field] = &[
    field("Topics", v(0, 2), NONE, StructArray(3, DESCRIBE_QUORUM_TOPICS)),
];

const DESCRIBE_QUORUM_TOPICS: &[Field] = &[
    field("TopicName", v(0, 2), NONE, String),
    field("Partitions", v(0, 2), NONE, StructArray(5, DESCRIBE_QUORUM_TOPICS_PARTITIONS)),
];

const DESCRIBE_QUORUM_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 2), NONE, Fixed(4)),
];

const ALTER_PARTITION: &[Field] = &[
    field("BrokerId", v(2, 3), NONE, Fixed(4)),
    field("BrokerEpoch", v(2, 3), NONE, Fixed(8)),
    field("Topics", v(2, 3), NONE, StructArray(18, ALTER_PARTITION_TOPICS)),
];

const ALTER_PARTITION_TOPICS: &[Field] = &[
    field("TopicId", v(2, 3), NONE, Fixed(16)),
    field("Partitions", v(2, 3), NONE, StructArray(15, ALTER_PARTITION_TOPICS_PARTITIONS)),
];

const ALTER_PARTITION_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(2, 3), NONE, Fixed(4)),
    field("LeaderEpoch", v(2, 3), NONE, Fixed(4)),
    field("NewIsr", v(2, 2), NONE, FixedArray(4)),
    field("NewIsrWithEpochs", v(3, 3), NONE, StructArray(1, ALTER_PARTITION_TOPICS_PARTITIONS_NEW_ISR_WITH_EPOCHS)),
    field("LeaderRecoveryState", v(2, 3), NONE, Fixed(1)),
    field("PartitionEpoch", v(2, 3), NONE, Fixed(4)),
];

const ALTER_PARTITION_TOPICS_PARTITIONS_NEW_ISR_WITH_EPOCHS: &[Field] = &[
    field("BrokerId", v(3, 3), NONE, Fixed(4)),
    field("BrokerEpoch", v(3, 3), NONE, Fixed(8)),
];

const UPDATE_FEATURES: &[Field] = &[
    field("timeoutMs", v(0, 2), NONE, Fixed(4)),
    field("FeatureUpdates", v(0, 2), NONE, StructArray(5, UPDATE_FEATURES_FEATURE_UPDATES)),
    field("ValidateOnly", v(1, 2), NONE, Fixed(1)),
];

const UPDATE_FEATURES_FEATURE_UPDATES: &[Field] = &[
    field("Feature", v(0, 2), NONE, String),
    field("MaxVersionLevel", v(0, 2), NONE, Fixed(2)),
    field("AllowDowngrade", v(0, 0), NONE, Fixed(1)),
    field("UpgradeType", v(1, 2), NONE, Fixed(1)),
];

const ENVELOPE: &[Field] = &[
    field("RequestData", v(0, 0), NONE, Bytes),
    field("RequestPrincipal", v(0, 0), v(0, 0), Bytes),
    field("ClientHostAddress", v(0, 0), NONE, Bytes),
];

const FETCH_SNAPSHOT: &[Field] = &[
    field("ClusterId", v(0, 1), v(0, 1), String).tagged(0, v(0, 1)),
    field("ReplicaId", v(0, 1), NONE, Fixed(4)),
    field("MaxBytes", v(0, 1), NONE, Fixed(4)),
    field("Topics", v(0, 1), NONE, StructArray(3, FETCH_SNAPSHOT_TOPICS)),
];

const FETCH_SNAPSHOT_TOPICS: &[Field] = &[
    field("Name", v(0, 1), NONE, String),
    field("Partitions", v(0, 1), NONE, StructArray(30, FETCH_SNAPSHOT_TOPICS_PARTITIONS)),
];

const FETCH_SNAPSHOT_TOPICS_PARTITIONS: &[Field] = &[
    field("Partition", v(0, 1), NONE, Fixed(4)),
    field("CurrentLeaderEpoch", v(0, 1), NONE, Fixed(4)),
    field("SnapshotId", v(0, 1), NONE, Struct(FETCH_SNAPSHOT_TOPICS_PARTITIONS_SNAPSHOT_ID)),
    field("Position", v(0, 1), NONE, Fixed(8)),
    field("ReplicaDirectoryId", v(1, 1), NONE, Fixed(16)).tagged(0, v(1, 1)),
];

const FETCH_SNAPSHOT_TOPICS_PARTITIONS_SNAPSHOT_ID: &[Field] = &[
    field("EndOffset", v(0, 1), NONE, Fixed(8)),
    field("Epoch", v(0, 1), NONE, Fixed(4)),
];

const DESCRIBE_CLUSTER: &[Field] = &[
    field("IncludeClusterAuthorizedOperations", v(0, 2), NONE, Fixed(1)),
    field("EndpointType", v(1, 2), NONE, Fixed(1)),
    field("IncludeFencedBrokers", v(2, 2), NONE, Fixed(1)),
];

const DESCRIBE_PRODUCERS: &[Field] = &[
    field("Topics", v(0, 0), NONE, StructArray(3, DESCRIBE_PRODUCERS_TOPICS)),
];

const DESCRIBE_PRODUCERS_TOPICS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("PartitionIndexes", v(0, 0), NONE, FixedArray(4)),
];

const BROKER_REGISTRATION: &[Field] = &[
    field("BrokerId", v(0, 4), NONE, Fixed(4)),
    field("ClusterId", v(0, 4), NONE, String),
    field("IncarnationId", v(0, 4), NONE, Fixed(16)),
    field("Listeners", v(0, 4), NONE, StructArray(7, BROKER_REGISTRATION_LISTENERS)),
    field("Features", v(0, 4), NONE, StructArray(6, BROKER_REGISTRATION_FEATURES)),
    field("Rack", v(0, 4), v(0, 4), String),
    field("IsMigratingZkBroker", v(1, 4), NONE, Fixed(1)),
    field("LogDirs", v(2, 4), NONE, FixedArray(16)),
    field("PreviousBrokerEpoch", v(3, 4), NONE, Fixed(8)),
];

const BROKER_REGISTRATION_LISTENERS: &[Field] = &[
    field("Name", v(0, 4), NONE, String),
    field("Host", v(0, 4), NONE, String),
    field("Port", v(0, 4), NONE, Fixed(2)),
    field("SecurityProtocol", v(0, 4), NONE, Fixed(2)),
];

const BROKER_REGISTRATION_FEATURES: &[Field] = &[
    field("Name", v(0, 4), NONE, String),
    field("MinSupportedVersion", v(0, 4), NONE, Fixed(2)),
    field("MaxSupportedVersion", v(0, 4), NONE, Fixed(2)),
];

const BROKER_HEARTBEAT: &[Field] = &[
    field("BrokerId", v(0, 2), NONE, Fixed(4)),
    field("BrokerEpoch", v(0, 2), NONE, Fixed(8)),
    field("CurrentMetadataOffset", v(0, 2), NONE, Fixed(8)),
    field("WantFence", v(0, 2), NONE, Fixed(1)),
    field("WantShutDown", v(0, 2), NONE, Fixed(1)),
    field("OfflineLogDirs", v(1, 2), NONE, FixedArray(16)).tagged(0, v(1, 2)),
    field("CordonedLogDirs", v(2, 2), v(2, 2), FixedArray(16)).tagged(1, v(2, 2)),
];

const UNREGISTER_BROKER: &[Field] = &[
    field("BrokerId", v(0, 0), NONE, Fixed(4)),
];

const DESCRIBE_TRANSACTIONS: &[Field] = &[
    field("TransactionalIds", v(0, 0), NONE, StringArray),
];

const LIST_TRANSACTIONS: &[Field] = &[
    field("StateFilters", v(0, 2), NONE, StringArray),
    field("ProducerIdFilters", v(0, 2), NONE, FixedArray(8)),
    field("DurationFilter", v(1, 2), NONE, Fixed(8)),
    field("TransactionalIdPattern", v(2, 2), v(2, 2), String),
];

const ALLOCATE_PRODUCER_IDS: &[Field] = &[
    field("BrokerId", v(0, 0), NONE, Fixed(4)),
    field("BrokerEpoch", v(0, 0), NONE, Fixed(8)),
];

const CONSUMER_GROUP_HEARTBEAT: &[Field] = &[
    field("GroupId", v(0, 1), NONE, String),
    field("MemberId", v(0, 1), NONE, String),
    field("MemberEpoch", v(0, 1), NONE, Fixed(4)),
    field("InstanceId", v(0, 1), v(0, 1), String),
    field("RackId", v(0, 1), v(0, 1), String),
    field("RebalanceTimeoutMs", v(0, 1), NONE, Fixed(4)),
    field("SubscribedTopicNames", v(0, 1), v(0, 1), StringArray),
    field("SubscribedTopicRegex", v(1, 1), v(1, 1), String),
    field("ServerAssignor", v(0, 1), v(0, 1), String),
    field("TopicPartitions", v(0, 1), v(0, 1), StructArray(18, CONSUMER_GROUP_HEARTBEAT_TOPIC_PARTITIONS)),
];

const CONSUMER_GROUP_HEARTBEAT_TOPIC_PARTITIONS: &[Field] = &[
    field("TopicId", v(0, 1), NONE, Fixed(16)),
    field("Partitions", v(0, 1), NONE, FixedArray(4)),
];

const CONSUMER_GROUP_DESCRIBE: &[Field] = &[
    field("GroupIds", v(0, 1), NONE, StringArray),
    field("IncludeAuthorizedOperations", v(0, 1), NONE, Fixed(1)),
];

const CONTROLLER_REGISTRATION: &[Field] = &[
    field("ControllerId", v(0, 0), NONE, Fixed(4)),
    field("IncarnationId", v(0, 0), NONE, Fixed(16)),
    field("ZkMigrationReady", v(0, 0), NONE, Fixed(1)),
    field("Listeners", v(0, 0), NONE, StructArray(7, CONTROLLER_REGISTRATION_LISTENERS)),
    field("Features", v(0, 0), NONE, StructArray(6, CONTROLLER_REGISTRATION_FEATURES)),
];

const CONTROLLER_REGISTRATION_LISTENERS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("Host", v(0, 0), NONE, String),
    field("Port", v(0, 0), NONE, Fixed(2)),
    field("SecurityProtocol", v(0, 0), NONE, Fixed(2)),
];

const CONTROLLER_REGISTRATION_FEATURES: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("MinSupportedVersion", v(0, 0), NONE, Fixed(2)),
    field("MaxSupportedVersion", v(0, 0), NONE, Fixed(2)),
];

const GET_TELEMETRY_SUBSCRIPTIONS: &[Field] = &[
    field("ClientInstanceId", v(0, 0), NONE, Fixed(16)),
];

const PUSH_TELEMETRY: &[Field] = &[
    field("ClientInstanceId", v(0, 0), NONE, Fixed(16)),
    field("SubscriptionId", v(0, 0), NONE, Fixed(4)),
    field("Terminating", v(0, 0), NONE, Fixed(1)),
    field("CompressionType", v(0, 0), NONE, Fixed(1)),
    field("Metrics", v(0, 0), NONE, Bytes),
];

const ASSIGN_REPLICAS_TO_DIRS: &[Field] = &[
    field("BrokerId", v(0, 0), NONE, Fixed(4)),
    field("BrokerEpoch", v(0, 0), NONE, Fixed(8)),
    field("Directories", v(0, 0), NONE, StructArray(18, ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES)),
];

const ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES: &[Field] = &[
    field("Id", v(0, 0), NONE, Fixed(16)),
    field("Topics", v(0, 0), NONE, StructArray(18, ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES_TOPICS)),
];

const ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES_TOPICS: &[Field] = &[
    field("TopicId", v(0, 0), NONE, Fixed(16)),
    field("Partitions", v(0, 0), NONE, StructArray(5, ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES_TOPICS_PARTITIONS)),
];

const ASSIGN_REPLICAS_TO_DIRS_DIRECTORIES_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 0), NONE, Fixed(4)),
];

const LIST_CONFIG_RESOURCES: &[Field] = &[
    field("ResourceTypes", v(1, 1), NONE, FixedArray(1)),
];

const DESCRIBE_TOPIC_PARTITIONS: &[Field] = &[
    field("Topics", v(0, 0), NONE, StructArray(2, DESCRIBE_TOPIC_PARTITIONS_TOPICS)),
    field("ResponsePartitionLimit", v(0, 0), NONE, Fixed(4)),
    field("Cursor", v(0, 0), v(0, 0), Struct(DESCRIBE_TOPIC_PARTITIONS_CURSOR)),
];

const DESCRIBE_TOPIC_PARTITIONS_TOPICS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
];

const DESCRIBE_TOPIC_PARTITIONS_CURSOR: &[Field] = &[
    field("TopicName", v(0, 0), NONE, String),
    field("PartitionIndex", v(0, 0), NONE, Fixed(4)),
];

const SHARE_GROUP_HEARTBEAT: &[Field] = &[
    field("GroupId", v(1, 1), NONE, String),
    field("MemberId", v(1, 1), NONE, String),
    field("MemberEpoch", v(1, 1), NONE, Fixed(4)),
    field("RackId", v(1, 1), v(1, 1), String),
    field("SubscribedTopicNames", v(1, 1), v(1, 1), StringArray),
];

const SHARE_GROUP_DESCRIBE: &[Field] = &[
    field("GroupIds", v(1, 1), NONE, StringArray),
    field("IncludeAuthorizedOperations", v(1, 1), NONE, Fixed(1)),
];

const SHARE_FETCH: &[Field] = &[
    field("GroupId", v(1, 2), v(1, 2), String),
    field("MemberId", v(1, 2), v(1, 2), String),
    field("ShareSessionEpoch", v(1, 2), NONE, Fixed(4)),
    field("MaxWaitMs", v(1, 2), NONE, Fixed(4)),
    field("MinBytes", v(1, 2), NONE, Fixed(4)),
    field("MaxBytes", v(1, 2), NONE, Fixed(4)),
    field("MaxRecords", v(1, 2), NONE, Fixed(4)),
    field("BatchSize", v(1, 2), NONE, Fixed(4)),
    field("ShareAcquireMode", v(2, 2), NONE, Fixed(1)),
    field("IsRenewAck", v(2, 2), NONE, Fixed(1)),
    field("Topics", v(1, 2), NONE, StructArray(18, SHARE_FETCH_TOPICS)),
    field("ForgottenTopicsData", v(1, 2), NONE, StructArray(18, SHARE_FETCH_FORGOTTEN_TOPICS_DATA)),
];

const SHARE_FETCH_TOPICS: &[Field] = &[
    field("TopicId", v(1, 2), NONE, Fixed(16)),
    field("Partitions", v(1, 2), NONE, StructArray(6, SHARE_FETCH_TOPICS_PARTITIONS)),
];

const SHARE_FETCH_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(1, 2), NONE, Fixed(4)),
    field("AcknowledgementBatches", v(1, 2), NONE, StructArray(18, SHARE_FETCH_TOPICS_PARTITIONS_ACKNOWLEDGEMENT_BATCHES)),
];

const SHARE_FETCH_TOPICS_PARTITIONS_ACKNOWLEDGEMENT_BATCHES: &[Field] = &[
    field("FirstOffset", v(1, 2), NONE, Fixed(8)),
    field("LastOffset", v(1, 2), NONE, Fixed(8)),
    field("AcknowledgeTypes", v(1, 2), NONE, FixedArray(1)),
];

const SHARE_FETCH_FORGOTTEN_TOPICS_DATA: &[Field] = &[
    field("TopicId", v(1, 2), NONE, Fixed(16)),
    field("Partitions", v(1, 2), NONE, FixedArray(4)),
];

const SHARE_ACKNOWLEDGE: &[Field] = &[
    field("GroupId", v(1, 2), v(1, 2), String),
    field("MemberId", v(1, 2), v(1, 2), String),
    field("ShareSessionEpoch", v(1, 2), NONE, Fixed(4)),
    field("IsRenewAck", v(2, 2), NONE, Fixed(1)),
    field("Topics", v(1, 2), NONE, StructArray(18, SHARE_ACKNOWLEDGE_TOPICS)),
];

const SHARE_ACKNOWLEDGE_TOPICS: &[Field] = &[
    field("TopicId", v(1, 2), NONE, Fixed(16)),
    field("Partitions", v(1, 2), NONE, StructArray(6, SHARE_ACKNOWLEDGE_TOPICS_PARTITIONS)),
];

const SHARE_ACKNOWLEDGE_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(1, 2), NONE, Fixed(4)),
    field("AcknowledgementBatches", v(1, 2), NONE, StructArray(18, SHARE_ACKNOWLEDGE_TOPICS_PARTITIONS_ACKNOWLEDGEMENT_BATCHES)),
];

const SHARE_ACKNOWLEDGE_TOPICS_PARTITIONS_ACKNOWLEDGEMENT_BATCHES: &[Field] = &[
    field("FirstOffset", v(1, 2), NONE, Fixed(8)),
    field("LastOffset", v(1, 2), NONE, Fixed(8)),
    field("AcknowledgeTypes", v(1, 2), NONE, FixedArray(1)),
];

const ADD_RAFT_VOTER: &[Field] = &[
    field("ClusterId", v(0, 1), v(0, 1), String),
    field("TimeoutMs", v(0, 1), NONE, Fixed(4)),
    field("VoterId", v(0, 1), NONE, Fixed(4)),
    field("VoterDirectoryId", v(0, 1), NONE, Fixed(16)),
    field("Listeners", v(0, 1), NONE, StructArray(5, ADD_RAFT_VOTER_LISTENERS)),
    field("AckWhenCommitted", v(1, 1), NONE, Fixed(1)),
];

const ADD_RAFT_VOTER_LISTENERS: &[Field] = &[
    field("Name", v(0, 1), NONE, String),
    field("Host", v(0, 1), NONE, String),
    field("Port", v(0, 1), NONE, Fixed(2)),
];

const REMOVE_RAFT_VOTER: &[Field] = &[
    field("ClusterId", v(0, 0), v(0, 0), String),
    field("VoterId", v(0, 0), NONE, Fixed(4)),
    field("VoterDirectoryId", v(0, 0), NONE, Fixed(16)),
];

const UPDATE_RAFT_VOTER: &[Field] = &[
    field("ClusterId", v(0, 0), v(0, 0), String),
    field("CurrentLeaderEpoch", v(0, 0), NONE, Fixed(4)),
    field("VoterId", v(0, 0), NONE, Fixed(4)),
    field("VoterDirectoryId", v(0, 0), NONE, Fixed(16)),
    field("Listeners", v(0, 0), NONE, StructArray(5, UPDATE_RAFT_VOTER_LISTENERS)),
    field("KRaftVersionFeature", v(0, 0), NONE, Struct(UPDATE_RAFT_VOTER_KRAFT_VERSION_FEATURE)),
];

const UPDATE_RAFT_VOTER_LISTENERS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("Host", v(0, 0), NONE, String),
    field("Port", v(0, 0), NONE, Fixed(2)),
];

const UPDATE_RAFT_VOTER_KRAFT_VERSION_FEATURE: &[Field] = &[
    field("MinSupportedVersion", v(0, 0), NONE, Fixed(2)),
    field("MaxSupportedVersion", v(0, 0), NONE, Fixed(2)),
];

const INITIALIZE_SHARE_GROUP_STATE: &[Field] = &[
    field("GroupId", v(0, 0), NONE, String),
    field("Topics", v(0, 0), NONE, StructArray(18, INITIALIZE_SHARE_GROUP_STATE_TOPICS)),
];

const INITIALIZE_SHARE_GROUP_STATE_TOPICS: &[Field] = &[
    field("TopicId", v(0, 0), NONE, Fixed(16)),
    field("Partitions", v(0, 0), NONE, StructArray(17, INITIALIZE_SHARE_GROUP_STATE_TOPICS_PARTITIONS)),
];

const INITIALIZE_SHARE_GROUP_STATE_TOPICS_PARTITIONS: &[Field] = &[
    field("Partition", v(0, 0), NONE, Fixed(4)),
    field("StateEpoch", v(0, 0), NONE, Fixed(4)),
    field("StartOffset", v(0, 0), NONE, Fixed(8)),
];

const READ_SHARE_GROUP_STATE: &[Field] = &[
    field("GroupId", v(0, 0), NONE, String),
    field("Topics", v(0, 0), NONE, StructArray(18, READ_SHARE_GROUP_STATE_TOPICS)),
];

const READ_SHARE_GROUP_STATE_TOPICS: &[Field] = &[
    field("TopicId", v(0, 0), NONE, Fixed(16)),
    field("Partitions", v(0, 0), NONE, StructArray(9, READ_SHARE_GROUP_STATE_TOPICS_PARTITIONS)),
];

const READ_SHARE_GROUP_STATE_TOPICS_PARTITIONS: &[Field] = &[
    field("Partition", v(0, 0), NONE, Fixed(4)),
    field("LeaderEpoch", v(0, 0), NONE, Fixed(4)),
];

const WRITE_SHARE_GROUP_STATE: &[Field] = &[
    field("GroupId", v(0, 1), NONE, String),
    field("Topics", v(0, 1), NONE, StructArray(18, WRITE_SHARE_GROUP_STATE_TOPICS)),
];

const WRITE_SHARE_GROUP_STATE_TOPICS: &[Field] = &[
    field("TopicId", v(0, 1), NONE, Fixed(16)),
    field("Partitions", v(0, 1), NONE, StructArray(22, WRITE_SHARE_GROUP_STATE_TOPICS_PARTITIONS)),
];

const WRITE_SHARE_GROUP_STATE_TOPICS_PARTITIONS: &[Field] = &[
    field("Partition", v(0, 1), NONE, Fixed(4)),
    field("StateEpoch", v(0, 1), NONE, Fixed(4)),
    field("LeaderEpoch", v(0, 1), NONE, Fixed(4)),
    field("StartOffset", v(0, 1), NONE, Fixed(8)),
    field("DeliveryCompleteCount", v(1, 1), NONE, Fixed(4)),
    field("StateBatches", v(0, 1), NONE, StructArray(20, WRITE_SHARE_GROUP_STATE_TOPICS_PARTITIONS_STATE_BATCHES)),
];

const WRITE_SHARE_GROUP_STATE_TOPICS_PARTITIONS_STATE_BATCHES: &[Field] = &[
    field("FirstOffset", v(0, 1), NONE, Fixed(8)),
    field("LastOffset", v(0, 1), NONE, Fixed(8)),
    field("DeliveryState", v(0, 1), NONE, Fixed(1)),
    field("DeliveryCount", v(0, 1), NONE, Fixed(2)),
];

const DELETE_SHARE_GROUP_STATE: &[Field] = &[
    field("GroupId", v(0, 0), NONE, String),
    field("Topics", v(0, 0), NONE, StructArray(18, DELETE_SHARE_GROUP_STATE_TOPICS)),
];

const DELETE_SHARE_GROUP_STATE_TOPICS: &[Field] = &[
    field("TopicId", v(0, 0), NONE, Fixed(16)),
    field("Partitions", v(0, 0), NONE, StructArray(5, DELETE_SHARE_GROUP_STATE_TOPICS_PARTITIONS)),
];

const DELETE_SHARE_GROUP_STATE_TOPICS_PARTITIONS: &[Field] = &[
    field("Partition", v(0, 0), NONE, Fixed(4)),
];

const READ_SHARE_GROUP_STATE_SUMMARY: &[Field] = &[
    field("GroupId", v(0, 1), NONE, String),
    field("Topics", v(0, 1), NONE, StructArray(18, READ_SHARE_GROUP_STATE_SUMMARY_TOPICS)),
];

const READ_SHARE_GROUP_STATE_SUMMARY_TOPICS: &[Field] = &[
    field("TopicId", v(0, 1), NONE, Fixed(16)),
    field("Partitions", v(0, 1), NONE, StructArray(9, READ_SHARE_GROUP_STATE_SUMMARY_TOPICS_PARTITIONS)),
];

const READ_SHARE_GROUP_STATE_SUMMARY_TOPICS_PARTITIONS: &[Field] = &[
    field("Partition", v(0, 1), NONE, Fixed(4)),
    field("LeaderEpoch", v(0, 1), NONE, Fixed(4)),
];

const STREAMS_GROUP_HEARTBEAT: &[Field] = &[
    field("GroupId", v(0, 0), NONE, String),
    field("MemberId", v(0, 0), NONE, String),
    field("MemberEpoch", v(0, 0), NONE, Fixed(4)),
    field("EndpointInformationEpoch", v(0, 0), NONE, Fixed(4)),
    field("InstanceId", v(0, 0), v(0, 0), String),
    field("RackId", v(0, 0), v(0, 0), String),
    field("RebalanceTimeoutMs", v(0, 0), NONE, Fixed(4)),
    field("Topology", v(0, 0), v(0, 0), Struct(STREAMS_GROUP_HEARTBEAT_TOPOLOGY)),
    field("ActiveTasks", v(0, 0), v(0, 0), StructArray(3, STREAMS_GROUP_HEARTBEAT_ACTIVE_TASKS)),
    field("StandbyTasks", v(0, 0), v(0, 0), StructArray(3, STREAMS_GROUP_HEARTBEAT_STANDBY_TASKS)),
    field("WarmupTasks", v(0, 0), v(0, 0), StructArray(3, STREAMS_GROUP_HEARTBEAT_WARMUP_TASKS)),
    field("ProcessId", v(0, 0), v(0, 0), String),
    field("UserEndpoint", v(0, 0), v(0, 0), Struct(STREAMS_GROUP_HEARTBEAT_USER_ENDPOINT)),
    field("ClientTags", v(0, 0), v(0, 0), StructArray(3, STREAMS_GROUP_HEARTBEAT_CLIENT_TAGS)),
    field("TaskOffsets", v(0, 0), v(0, 0), StructArray(14, STREAMS_GROUP_HEARTBEAT_TASK_OFFSETS)),
    field("TaskEndOffsets", v(0, 0), v(0, 0), StructArray(14, STREAMS_GROUP_HEARTBEAT_TASK_END_OFFSETS)),
    field("ShutdownApplication", v(0, 0), NONE, Fixed(1)),
];

const STREAMS_GROUP_HEARTBEAT_TOPOLOGY: &[Field] = &[
    field("Epoch", v(0, 0), NONE, Fixed(4)),
    field("Subtopologies", v(0, 0), NONE, StructArray(8, STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES)),
];

const STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES: &[Field] = &[
    field("SubtopologyId", v(0, 0), NONE, String),
    field("SourceTopics", v(0, 0), NONE, StringArray),
    field("SourceTopicRegex", v(0, 0), NONE, StringArray),
    field("StateChangelogTopics", v(0, 0), NONE, StructArray(9, STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_STATE_CHANGELOG_TOPICS)),
    field("RepartitionSinkTopics", v(0, 0), NONE, StringArray),
    field("RepartitionSourceTopics", v(0, 0), NONE, StructArray(9, STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_REPARTITION_SOURCE_TOPICS)),
    field("CopartitionGroups", v(0, 0), NONE, StructArray(4, STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_COPARTITION_GROUPS)),
];

const STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_STATE_CHANGELOG_TOPICS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("Partitions", v(0, 0), NONE, Fixed(4)),
    field("ReplicationFactor", v(0, 0), NONE, Fixed(2)),
    field("TopicConfigs", v(0, 0), NONE, StructArray(3, STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_STATE_CHANGELOG_TOPICS_TOPIC_CONFIGS)),
];

const STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_STATE_CHANGELOG_TOPICS_TOPIC_CONFIGS: &[Field] = &[
    field("Key", v(0, 0), NONE, String),
    field("Value", v(0, 0), NONE, String),
];

const STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_REPARTITION_SOURCE_TOPICS: &[Field] = &[
    field("Name", v(0, 0), NONE, String),
    field("Partitions", v(0, 0), NONE, Fixed(4)),
    field("ReplicationFactor", v(0, 0), NONE, Fixed(2)),
    field("TopicConfigs", v(0, 0), NONE, StructArray(3, STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_REPARTITION_SOURCE_TOPICS_TOPIC_CONFIGS)),
];

const STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_REPARTITION_SOURCE_TOPICS_TOPIC_CONFIGS: &[Field] = &[
    field("Key", v(0, 0), NONE, String),
    field("Value", v(0, 0), NONE, String),
];

const STREAMS_GROUP_HEARTBEAT_TOPOLOGY_SUBTOPOLOGIES_COPARTITION_GROUPS: &[Field] = &[
    field("SourceTopics", v(0, 0), NONE, FixedArray(2)),
    field("SourceTopicRegex", v(0, 0), NONE, FixedArray(2)),
    field("RepartitionSourceTopics", v(0, 0), NONE, FixedArray(2)),
];

const STREAMS_GROUP_HEARTBEAT_ACTIVE_TASKS: &[Field] = &[
    field("SubtopologyId", v(0, 0), NONE, String),
    field("Partitions", v(0, 0), NONE, FixedArray(4)),
];

const STREAMS_GROUP_HEARTBEAT_STANDBY_TASKS: &[Field] = &[
    field("SubtopologyId", v(0, 0), NONE, String),
    field("Partitions", v(0, 0), NONE, FixedArray(4)),
];

const STREAMS_GROUP_HEARTBEAT_WARMUP_TASKS: &[Field] = &[
    field("SubtopologyId", v(0, 0), NONE, String),
    field("Partitions", v(0, 0), NONE, FixedArray(4)),
];

const STREAMS_GROUP_HEARTBEAT_USER_ENDPOINT: &[Field] = &[
    field("Host", v(0, 0), NONE, String),
    field("Port", v(0, 0), NONE, Fixed(2)),
];

const STREAMS_GROUP_HEARTBEAT_CLIENT_TAGS: &[Field] = &[
    field("Key", v(0, 0), NONE, String),
    field("Value", v(0, 0), NONE, String),
];

const STREAMS_GROUP_HEARTBEAT_TASK_OFFSETS: &[Field] = &[
    field("SubtopologyId", v(0, 0), NONE, String),
    field("Partition", v(0, 0), NONE, Fixed(4)),
    field("Offset", v(0, 0), NONE, Fixed(8)),
];

const STREAMS_GROUP_HEARTBEAT_TASK_END_OFFSETS: &[Field] = &[
    field("SubtopologyId", v(0, 0), NONE, String),
    field("Partition", v(0, 0), NONE, Fixed(4)),
    field("Offset", v(0, 0), NONE, Fixed(8)),
];

const STREAMS_GROUP_DESCRIBE: &[Field] = &[
    field("GroupIds", v(0, 0), NONE, StringArray),
    field("IncludeAuthorizedOperations", v(0, 0), NONE, Fixed(1)),
];

const DESCRIBE_SHARE_GROUP_OFFSETS: &[Field] = &[
    field("Groups", v(0, 1), NONE, StructArray(3, DESCRIBE_SHARE_GROUP_OFFSETS_GROUPS)),
];

const DESCRIBE_SHARE_GROUP_OFFSETS_GROUPS: &[Field] = &[
    field("GroupId", v(0, 1), NONE, String),
    field("Topics", v(0, 1), v(0, 1), StructArray(3, DESCRIBE_SHARE_GROUP_OFFSETS_GROUPS_TOPICS)),
];

const DESCRIBE_SHARE_GROUP_OFFSETS_GROUPS_TOPICS: &[Field] = &[
    field("TopicName", v(0, 1), NONE, String),
    field("Partitions", v(0, 1), NONE, FixedArray(4)),
];

const ALTER_SHARE_GROUP_OFFSETS: &[Field] = &[
    field("GroupId", v(0, 0), NONE, String),
    field("Topics", v(0, 0), NONE, StructArray(3, ALTER_SHARE_GROUP_OFFSETS_TOPICS)),
];

const ALTER_SHARE_GROUP_OFFSETS_TOPICS: &[Field] = &[
    field("TopicName", v(0, 0), NONE, String),
    field("Partitions", v(0, 0), NONE, StructArray(13, ALTER_SHARE_GROUP_OFFSETS_TOPICS_PARTITIONS)),
];

const ALTER_SHARE_GROUP_OFFSETS_TOPICS_PARTITIONS: &[Field] = &[
    field("PartitionIndex", v(0, 0), NONE, Fixed(4)),
    field("StartOffset", v(0, 0), NONE, Fixed(8)),
];

const DELETE_SHARE_GROUP_OFFSETS: &[Field] = &[
    field("GroupId", v(0, 0), NONE, String),
    field("Topics", v(0, 0), NONE, StructArray(2, DELETE_SHARE_GROUP_OFFSETS_TOPICS)),
];

const DELETE_SHARE_GROUP_OFFSETS_TOPICS: &[Field] = &[
    field("TopicName", v(0, 0), NONE, String),
];
