//! APIs of configurations and quotas.

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterConfigsRequest, DescribeClientQuotasRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
    alter_configs_request, incremental_alter_configs_request,
};

use super::World;
use crate::client::text;

/// Kinds and names of resources: known ones, unknown ones, and such as cannot be.
const RESOURCES: [(i8, &str); 12] = [
    (2, "known"),
    (2, "absent"),
    (2, "not valid"),
    (4, "1"),
    (4, ""),
    (4, "9"),
    (4, "x"),
    (8, "1"),
    (16, "subscription"),
    (32, "group"),
    (0, "x"),
    (77, "x"),
];

pub(super) fn describe_configs(world: &mut World, version: i16) {
    for keys in [None, Some(vec![text("retention.ms"), text("nonsense")])] {
        let resources = RESOURCES.map(|(kind, name)| {
            DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(keys.clone())
        });
        let request = DescribeConfigsRequest::default()
            .with_resources(resources.into())
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        let response = world.client.call(version, &request);
        assert_eq!(response.results.len(), RESOURCES.len());
        assert_eq!(response.results[0].error_code, 0);
        assert_eq!(response.results[1].error_code, 3);
    }
}

pub(super) fn alter_configs(world: &mut World, version: i16) {
    use alter_configs_request::{AlterConfigsResource, AlterableConfig};
    for validate_only in [true, false] {
        let resources = RESOURCES.map(|(kind, name)| {
            let config = AlterableConfig::default()
                .with_name(text("retention.ms"))
                .with_value(Some(text("86400000")));
            AlterConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configs(vec![config])
        });
        let request = AlterConfigsRequest::default()
            .with_resources(resources.into())
            .with_validate_only(validate_only);
        let response = world.client.call(version, &request);
        assert_eq!(response.responses.len(), RESOURCES.len());
    }
}

pub(super) fn incremental_alter_configs(world: &mut World, version: i16) {
    use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let changes = [
        ("retention.ms", 0, Some("86400000")),
        ("retention.ms", 1, None),
        ("cleanup.policy", 2, Some("compact")),
        ("cleanup.policy", 3, Some("compact")),
        ("retention.ms", 2, Some("5")),
        ("retention.ms", 9, Some("5")),
        ("nonsense", 0, Some("5")),
    ];
    for (name, operation, value) in changes {
        let resources = RESOURCES.map(|(kind, resource)| {
            let config = AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(operation)
                .with_value(value.map(text));
            AlterConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(resource))
                .with_configs(vec![config])
        });
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources.into());
        let response = world.client.call(version, &request);
        assert_eq!(response.responses.len(), RESOURCES.len());
    }
}

pub(super) fn list_config_resources(world: &mut World, version: i16) {
    let kinds: &[&[i8]] = if version < 1 {
        &[&[]]
    } else {
        &[&[], &[2, 4], &[8, 16, 32], &[77]]
    };
    for kinds in kinds {
        let request = ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec());
        let response = world.client.call(version, &request);
        assert_eq!(response.error_code != 0, kinds.contains(&77));
    }
}

pub(super) fn describe_client_quotas(world: &mut World, version: i16) {
    let component = |kind: &str, match_type, name: Option<&str>| {
        ComponentData::default()
            .with_entity_type(text(kind))
            .with_match_type(match_type)
            .with_match(name.map(text))
    };
    let lists = [
        vec![],
        vec![
            component("user", 0, Some("someone")),
            component("client-id", 1, None),
        ],
        vec![component("user", 2, None)],
        vec![component("nonsense", 2, None)],
        vec![component("user", 9, None)],
        vec![component("user", 0, None)],
    ];
    for components in lists {
        for strict in [true, false] {
            let request = DescribeClientQuotasRequest::default()
                .with_components(components.clone())
                .with_strict(strict);
            world.client.call(version, &request);
        }
    }
}

pub(super) fn alter_client_quotas(world: &mut World, version: i16) {
    let entry = |kind: &str, name: Option<&str>, key: &str, value, remove| {
        let entity = EntityData::default()
            .with_entity_type(text(kind))
            .with_entity_name(name.map(text));
        let change = OpData::default()
            .with_key(text(key))
            .with_value(value)
            .with_remove(remove);
        EntryData::default()
            .with_entity(vec![entity])
            .with_ops(vec![change])
    };
    let entries = vec![
        entry("user", Some("someone"), "producer_byte_rate", 1e9, false),
        entry("client-id", None, "consumer_byte_rate", 1e9, false),
        entry("client-id", None, "consumer_byte_rate", 0.0, true),
        entry("user", Some("someone"), "nonsense", 1.0, false),
        entry(
            "nonsense",
            Some("someone"),
            "producer_byte_rate",
            1.0,
            false,
        ),
        entry(
            "ip",
            Some("127.0.0.1"),
            "connection_creation_rate",
            -5.0,
            false,
        ),
    ];
    for validate_only in [true, false] {
        let request = AlterClientQuotasRequest::default()
            .with_entries(entries.clone())
            .with_validate_only(validate_only);
        let response = world.client.call(version, &request);
        assert_eq!(response.entries.len(), entries.len());
    }
}
