//! The table of APIs that this broker serves.

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::protocol::Encodable;
use milena_protocol::{ErrorCode, api as table};

use super::*;
use crate::net::Response;

/// One row per API.
pub(crate) const ROWS: &[Row] = &[
    // Produce is served by `produce`, before the table is looked at.
    fetch::row(),
    row::<list_offsets::ListOffsets>(),
    row::<metadata::Metadata>(),
    row::<offset_commit::OffsetCommit>(),
    row::<offset_fetch::OffsetFetch>(),
    row::<find_coordinator::FindCoordinator>(),
    row::<join_group::JoinGroup>(),
    row::<heartbeat::Heartbeat>(),
    row::<leave_group::LeaveGroup>(),
    row::<sync_group::SyncGroup>(),
    row::<describe_groups::DescribeGroups>(),
    row::<list_groups::ListGroups>(),
    row::<api_versions::ApiVersions>(),
    row::<create_topics::CreateTopics>(),
    row::<delete_topics::DeleteTopics>(),
    row::<delete_records::DeleteRecords>(),
    row::<init_producer_id::InitProducerId>(),
    row::<add_partitions_to_txn::AddPartitionsToTxn>(),
    row::<add_offsets_to_txn::AddOffsetsToTxn>(),
    row::<end_txn::EndTxn>(),
    write_txn_markers::row(),
    row::<txn_offset_commit::TxnOffsetCommit>(),
    row::<offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    row::<describe_configs::DescribeConfigs>(),
    row::<alter_configs::AlterConfigs>(),
    row::<alter_replica_log_dirs::AlterReplicaLogDirs>(),
    row::<describe_log_dirs::DescribeLogDirs>(),
    row::<create_partitions::CreatePartitions>(),
    row::<elect_leaders::ElectLeaders>(),
    row::<delete_groups::DeleteGroups>(),
    row::<incremental_alter_configs::IncrementalAlterConfigs>(),
    row::<alter_partition_reassignments::AlterPartitionReassignments>(),
    row::<list_partition_reassignments::ListPartitionReassignments>(),
    row::<offset_delete::OffsetDelete>(),
    row::<describe_client_quotas::DescribeClientQuotas>(),
    row::<alter_client_quotas::AlterClientQuotas>(),
    row::<describe_quorum::DescribeQuorum>(),
    row::<update_features::UpdateFeatures>(),
    row::<describe_cluster::DescribeCluster>(),
    row::<describe_producers::DescribeProducers>(),
    row::<describe_transactions::DescribeTransactions>(),
    row::<list_transactions::ListTransactions>(),
    row::<unregister_broker::UnregisterBroker>(),
    row::<consumer_group_heartbeat::ConsumerGroupHeartbeat>(),
    row::<consumer_group_describe::ConsumerGroupDescribe>(),
    row::<list_config_resources::ListConfigResources>(),
    row::<describe_topic_partitions::DescribeTopicPartitions>(),
];

/// True for an API that clients of this broker can use.
fn is_served(info: &table::ApiInfo) -> bool {
    info.client_listener && (info.key == PRODUCE || ROWS.iter().any(|row| row.key == info.key))
}

/// The advertised versions, by key.
pub(crate) fn advertised(broker: &Broker) -> impl Iterator<Item = ApiVersion> {
    let unstable = broker.serves_unstable_versions();
    table::APIS
        .iter()
        .filter(|info| is_served(info))
        .map(move |info| {
            let next = info.max_version.saturating_add(1);
            let has_next = unstable && table::is_unstable(info.key, next);
            ApiVersion::default()
                .with_api_key(info.key)
                .with_min_version(info.min_advertised)
                .with_max_version(if has_next { next } else { info.max_version })
        })
}

/// True for the versions that this broker serves.
pub(crate) fn serves(broker: &Broker, info: &table::ApiInfo, version: i16) -> bool {
    info.serves(version)
        || (broker.serves_unstable_versions() && table::is_unstable(info.key, version))
}

/// The answer to an ApiVersions request of a version that is not served: the shape of version 0 with
/// the range of ApiVersions, from which the client takes another (KIP-511).
pub(crate) fn unsupported_api_versions(
    broker: &Broker,
    context: &Context,
) -> Result<Response, Unreadable> {
    let own = advertised(broker).filter(|api| api.api_key == API_VERSIONS);
    let response = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(own.collect());
    encode(context, |out| {
        response
            .encode(out, 0)
            .map_err(|error| Unreadable::Message(error.to_string()))
    })
}
