//! Every API: which versions are served, and how its headers look.
//!
//! The versions are those of Apache Kafka 4.3.1. Two rows differ from its schemas:
//!
//! - `Produce` is advertised from version 0 but refused below 3, as Kafka does: librdkafka turns
//!   compression off where the advertised minimum is above 0 (KAFKA-18659);
//! - `InitProducerId` ends at 5, since version 6 is unstable (KIP-939); see [`UNSTABLE`].
//!
//! A row does not say that the API is served; the broker's own table does.

/// One API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiInfo {
    /// Number of the API on the wire.
    pub key: i16,
    /// Kafka's name of the API, such as `JoinGroup`.
    pub name: &'static str,
    /// Lowest version that is served, inclusive.
    pub min_version: i16,
    /// Highest version that is served and advertised, inclusive.
    pub max_version: i16,
    /// Lowest version that the ApiVersions response names, inclusive; at most `min_version`.
    pub min_advertised: i16,
    /// First flexible version (KIP-482), `i16::MAX` where no version is.
    pub flexible_from: i16,
    /// True where clients may see the API; false where it belongs to the controller listener.
    pub client_listener: bool,
}

impl ApiInfo {
    /// True for the versions that are served.
    #[must_use]
    pub const fn serves(&self, version: i16) -> bool {
        self.min_version <= version && version <= self.max_version
    }

    /// True where the version has compact lengths and tagged fields.
    #[must_use]
    pub const fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }

    /// Version of the header of a request: 1, or 2 where it has tagged fields. Also defined for
    /// versions that are not served, so that they can be answered.
    #[must_use]
    pub const fn request_header_version(&self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// Version of the header of a response: 0, or 1 where it has tagged fields. It is 0 for every
    /// version of ApiVersions, since its client does not know yet what the broker speaks (KIP-511).
    #[must_use]
    pub const fn response_header_version(&self, version: i16) -> i16 {
        if self.key != API_VERSIONS && self.is_flexible(version) {
            1
        } else {
            0
        }
    }
}

/// Versions that are not final: they are served, and advertised, only where the broker is told to.
/// Key and version, which is the one after [`ApiInfo::max_version`].
pub const UNSTABLE: &[(i16, i16)] = &[(INIT_PRODUCER_ID, 6)];

/// True for a version of [`UNSTABLE`].
#[must_use]
pub fn is_unstable(key: i16, version: i16) -> bool {
    UNSTABLE.contains(&(key, version))
}

/// The row of an API; none for keys that Kafka 4.3 does not have.
#[must_use]
pub fn info(key: i16) -> Option<&'static ApiInfo> {
    let index = APIS.binary_search_by_key(&key, |api| api.key).ok()?;
    APIS.get(index)
}

/// [`ApiInfo::request_header_version`] of an API; none for unknown keys.
#[must_use]
pub fn request_header_version(key: i16, version: i16) -> Option<i16> {
    Some(info(key)?.request_header_version(version))
}

/// [`ApiInfo::response_header_version`] of an API; none for unknown keys.
#[must_use]
pub fn response_header_version(key: i16, version: i16) -> Option<i16> {
    Some(info(key)?.response_header_version(version))
}

/// Key of ApiVersions, whose rules differ from all others'.
pub const API_VERSIONS: i16 = 18;

const PRODUCE: i16 = 0;
const INIT_PRODUCER_ID: i16 = 22;
const NEVER: i16 = i16::MAX;
const BROKER: bool = true;
const CONTROLLER: bool = false;

const fn row(
    key: i16,
    name: &'static str,
    versions: [i16; 2],
    flexible_from: i16,
    client_listener: bool,
) -> ApiInfo {
    let [min_version, max_version] = versions;
    ApiInfo {
        key,
        name,
        min_version,
        max_version,
        min_advertised: if key == PRODUCE { 0 } else { min_version },
        flexible_from,
        client_listener,
    }
}

/// All APIs in ascending order of their keys: key, name, first and last version, first flexible
/// version, listener.
pub const APIS: &[ApiInfo] = &[
    row(0, "Produce", [3, 13], 9, BROKER),
    row(1, "Fetch", [4, 18], 12, BROKER),
    row(2, "ListOffsets", [1, 11], 6, BROKER),
    row(3, "Metadata", [0, 13], 9, BROKER),
    row(8, "OffsetCommit", [2, 10], 8, BROKER),
    row(9, "OffsetFetch", [1, 10], 6, BROKER),
    row(10, "FindCoordinator", [0, 6], 3, BROKER),
    row(11, "JoinGroup", [0, 9], 6, BROKER),
    row(12, "Heartbeat", [0, 4], 4, BROKER),
    row(13, "LeaveGroup", [0, 5], 4, BROKER),
    row(14, "SyncGroup", [0, 5], 4, BROKER),
    row(15, "DescribeGroups", [0, 6], 5, BROKER),
    row(16, "ListGroups", [0, 5], 3, BROKER),
    row(17, "SaslHandshake", [0, 1], NEVER, BROKER),
    row(18, "ApiVersions", [0, 4], 3, BROKER),
    row(19, "CreateTopics", [2, 7], 5, BROKER),
    row(20, "DeleteTopics", [1, 6], 4, BROKER),
    row(21, "DeleteRecords", [0, 2], 2, BROKER),
    row(22, "InitProducerId", [0, 5], 2, BROKER),
    row(23, "OffsetForLeaderEpoch", [2, 4], 4, BROKER),
    row(24, "AddPartitionsToTxn", [0, 5], 3, BROKER),
    row(25, "AddOffsetsToTxn", [0, 4], 3, BROKER),
    row(26, "EndTxn", [0, 5], 3, BROKER),
    row(27, "WriteTxnMarkers", [1, 2], 1, BROKER),
    row(28, "TxnOffsetCommit", [0, 5], 3, BROKER),
    row(29, "DescribeAcls", [1, 3], 2, BROKER),
    row(30, "CreateAcls", [1, 3], 2, BROKER),
    row(31, "DeleteAcls", [1, 3], 2, BROKER),
    row(32, "DescribeConfigs", [1, 4], 4, BROKER),
    row(33, "AlterConfigs", [0, 2], 2, BROKER),
    row(34, "AlterReplicaLogDirs", [1, 2], 2, BROKER),
    row(35, "DescribeLogDirs", [1, 5], 2, BROKER),
    row(36, "SaslAuthenticate", [0, 2], 2, BROKER),
    row(37, "CreatePartitions", [0, 3], 2, BROKER),
    row(38, "CreateDelegationToken", [1, 3], 2, BROKER),
    row(39, "RenewDelegationToken", [1, 2], 2, BROKER),
    row(40, "ExpireDelegationToken", [1, 2], 2, BROKER),
    row(41, "DescribeDelegationToken", [1, 3], 2, BROKER),
    row(42, "DeleteGroups", [0, 2], 2, BROKER),
    row(43, "ElectLeaders", [0, 2], 2, BROKER),
    row(44, "IncrementalAlterConfigs", [0, 1], 1, BROKER),
    row(45, "AlterPartitionReassignments", [0, 1], 0, BROKER),
    row(46, "ListPartitionReassignments", [0, 0], 0, BROKER),
    row(47, "OffsetDelete", [0, 0], NEVER, BROKER),
    row(48, "DescribeClientQuotas", [0, 1], 1, BROKER),
    row(49, "AlterClientQuotas", [0, 1], 1, BROKER),
    row(50, "DescribeUserScramCredentials", [0, 0], 0, BROKER),
    row(51, "AlterUserScramCredentials", [0, 0], 0, BROKER),
    row(52, "Vote", [0, 2], 0, CONTROLLER),
    row(53, "BeginQuorumEpoch", [0, 1], 1, CONTROLLER),
    row(54, "EndQuorumEpoch", [0, 1], 1, CONTROLLER),
    row(55, "DescribeQuorum", [0, 2], 0, BROKER),
    row(56, "AlterPartition", [2, 3], 0, CONTROLLER),
    row(57, "UpdateFeatures", [0, 2], 0, BROKER),
    row(58, "Envelope", [0, 0], 0, CONTROLLER),
    row(59, "FetchSnapshot", [0, 1], 0, CONTROLLER),
    row(60, "DescribeCluster", [0, 2], 0, BROKER),
    row(61, "DescribeProducers", [0, 0], 0, BROKER),
    row(62, "BrokerRegistration", [0, 4], 0, CONTROLLER),
    row(63, "BrokerHeartbeat", [0, 2], 0, CONTROLLER),
    row(64, "UnregisterBroker", [0, 0], 0, BROKER),
    row(65, "DescribeTransactions", [0, 0], 0, BROKER),
    row(66, "ListTransactions", [0, 2], 0, BROKER),
    row(67, "AllocateProducerIds", [0, 0], 0, CONTROLLER),
    row(68, "ConsumerGroupHeartbeat", [0, 1], 0, BROKER),
    row(69, "ConsumerGroupDescribe", [0, 1], 0, BROKER),
    row(70, "ControllerRegistration", [0, 0], 0, CONTROLLER),
    row(71, "GetTelemetrySubscriptions", [0, 0], 0, BROKER),
    row(72, "PushTelemetry", [0, 0], 0, BROKER),
    row(73, "AssignReplicasToDirs", [0, 0], 0, CONTROLLER),
    row(74, "ListConfigResources", [0, 1], 0, BROKER),
    row(75, "DescribeTopicPartitions", [0, 0], 0, BROKER),
    row(76, "ShareGroupHeartbeat", [1, 1], 0, BROKER),
    row(77, "ShareGroupDescribe", [1, 1], 0, BROKER),
    row(78, "ShareFetch", [1, 2], 0, BROKER),
    row(79, "ShareAcknowledge", [1, 2], 0, BROKER),
    row(80, "AddRaftVoter", [0, 1], 0, BROKER),
    row(81, "RemoveRaftVoter", [0, 0], 0, BROKER),
    row(82, "UpdateRaftVoter", [0, 0], 0, CONTROLLER),
    row(83, "InitializeShareGroupState", [0, 0], 0, BROKER),
    row(84, "ReadShareGroupState", [0, 0], 0, BROKER),
    row(85, "WriteShareGroupState", [0, 1], 0, BROKER),
    row(86, "DeleteShareGroupState", [0, 0], 0, BROKER),
    row(87, "ReadShareGroupStateSummary", [0, 1], 0, BROKER),
    row(88, "StreamsGroupHeartbeat", [0, 0], 0, BROKER),
    row(89, "StreamsGroupDescribe", [0, 0], 0, BROKER),
    row(90, "DescribeShareGroupOffsets", [0, 1], 0, BROKER),
    row(91, "AlterShareGroupOffsets", [0, 0], 0, BROKER),
    row(92, "DeleteShareGroupOffsets", [0, 0], 0, BROKER),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_their_ranges_are_not_empty() {
        for pair in APIS.windows(2) {
            assert!(pair[0].key < pair[1].key, "{pair:?}");
        }
        for api in APIS {
            assert!(api.min_advertised <= api.min_version, "{api:?}");
            assert!(api.min_version <= api.max_version, "{api:?}");
            assert_eq!(info(api.key), Some(api));
        }
        for unknown in [-1, 4, 5, 6, 7, 93, i16::MAX, i16::MIN] {
            assert_eq!(info(unknown), None);
        }
    }

    #[test]
    fn headers_follow_the_first_flexible_version() {
        for (key, version, request, response) in [
            (18, 0, 1, 0),
            (18, 2, 1, 0),
            (18, 3, 2, 0),
            (18, i16::MAX - 1, 2, 0),
            (0, 8, 1, 0),
            (0, 9, 2, 1),
            (17, 1, 1, 0),
            (47, 0, 1, 0),
            (60, 0, 2, 1),
        ] {
            assert_eq!(request_header_version(key, version), Some(request), "{key}");
            assert_eq!(
                response_header_version(key, version),
                Some(response),
                "{key}"
            );
        }
        assert_eq!(request_header_version(4, 0), None);
    }

    #[test]
    fn versions_that_need_care_are_as_kafkas() {
        let produce = info(0).unwrap();
        assert_eq!((produce.min_advertised, produce.min_version), (0, 3));
        assert_eq!(info(22).unwrap().max_version, 5);
        assert_eq!(info(11).unwrap().min_version, 0);
        assert_eq!(info(2).unwrap().max_version, 11);
        let hidden: Vec<i16> = APIS
            .iter()
            .filter(|api| !api.client_listener)
            .map(|api| api.key)
            .collect();
        assert_eq!(hidden, [52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82]);
    }
}
