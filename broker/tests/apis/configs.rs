//! Configurations and quotas: what is refused and how, as Apache Kafka 4.3.1 does.

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterConfigsRequest, DescribeClientQuotasRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
    alter_configs_request, incremental_alter_configs_request,
};

use crate::client::{Client, Server, text};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Value and source of a key; none where the resource does not show it.
fn value(client: &mut Client, kind: i8, name: &str, key: &str) -> Option<(Option<String>, i8)> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let described = client.call(4, &request).results.remove(0);
    assert_eq!(described.error_code, 0);
    let config = described.configs.first()?;
    Some((
        config.value.as_ref().map(ToString::to_string),
        config.config_source,
    ))
}

/// A change of one key; gives the error code.
fn change(client: &mut Client, resource: (i8, &str), change: (&str, i8, Option<&str>)) -> i16 {
    use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let (name, operation, value) = change;
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(operation)
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(resource.0)
        .with_resource_name(text(resource.1))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = client.call(1, &request).responses.remove(0);
    assert_eq!(
        response.error_message.is_some(),
        response.error_code != 0,
        "{change:?}"
    );
    response.error_code
}

#[test]
fn configurations_are_shown_of_what_there_is() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 1)]);
    let cases = [
        (TOPIC, "known", 0),
        (TOPIC, "absent", 3),
        (TOPIC, "not valid", 17),
        (TOPIC, "", 17),
        (BROKER, "1", 0),
        (BROKER, "", 0),
        (BROKER, "9", 42),
        (BROKER, "x", 42),
        (BROKER, "-1", 42),
        (LOGGER, "1", 0),
        (LOGGER, "", 42),
        (LOGGER, "9", 42),
        (CLIENT_METRICS, "sub", 0),
        (CLIENT_METRICS, "", 42),
        (GROUP, "group", 0),
        (GROUP, "", 42),
        (0, "x", 42),
        (1, "x", 42),
        (77, "x", 42),
    ];
    for (kind, name, code) in cases {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default()
            .with_resources(vec![resource])
            .with_include_synonyms(true)
            .with_include_documentation(true);
        let described = client.call(4, &request).results.remove(0);
        assert_eq!(described.error_code, code, "{kind} {name}");
        assert_eq!(
            (described.resource_type, &*described.resource_name),
            (kind, name)
        );
        assert_eq!(
            described.error_message.is_some_and(|text| !text.is_empty()),
            code != 0
        );
        for config in described.configs {
            assert_ne!(config.config_type, 0, "{}", &*config.name);
            assert!(config.documentation.is_some_and(|text| !text.is_empty()));
        }
    }
}

#[test]
fn changes_that_cannot_be_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 1)]);
    let cases = [
        (40, ("nonsense", SET, Some("1"))),
        (40, ("", SET, Some("1"))),
        (42, ("retention.ms", SET, None)),
        (40, ("retention.ms", SET, Some("abc"))),
        (40, ("retention.ms", SET, Some(""))),
        (40, ("retention.ms", SET, Some("-2"))),
        (40, ("retention.ms", APPEND, Some("5"))),
        (40, ("retention.ms", SUBTRACT, Some("5"))),
        (42, ("retention.ms", 9, Some("5"))),
        (42, ("cleanup.policy", APPEND, None)),
        (40, ("cleanup.policy", APPEND, Some("nonsense"))),
        (40, ("compression.type", SET, Some("abc"))),
        (40, ("segment.bytes", SET, Some("1"))),
        (40, ("min.insync.replicas", SET, Some("0"))),
        (40, ("min.cleanable.dirty.ratio", SET, Some("1.5"))),
        (40, ("preallocate", SET, Some("yes"))),
        (40, ("max.message.bytes", SET, Some("-1"))),
        (40, ("message.timestamp.type", SET, Some("Foo"))),
        (40, ("remote.storage.enable", SET, Some("true"))),
        (
            40,
            ("leader.replication.throttled.replicas", SET, Some("x")),
        ),
        (0, ("retention.ms", SET, Some(" 5 "))),
        (0, ("preallocate", SET, Some("TRUE"))),
    ];
    for (code, of_key) in cases {
        assert_eq!(
            change(&mut client, (TOPIC, "known"), of_key),
            code,
            "{of_key:?}"
        );
    }
    let of_brokers = [
        (42, "1", ("broker.id", SET, Some("2"))),
        (42, "1", ("log.dirs", SET, Some("/x"))),
        (42, "1", ("num.partitions", SET, Some("3"))),
        (42, "", ("listeners", SET, Some("PLAINTEXT://:1"))),
        (42, "1", ("log.retention.ms", SET, Some("abc"))),
        (42, "1", ("log.segment.bytes", SET, Some("5"))),
        (40, "1", ("min.insync.replicas", SET, Some("2"))),
        (42, "x", ("log.retention.ms", SET, Some("1000"))),
        (42, "-1", ("log.retention.ms", SET, Some("1000"))),
        (0, "1", ("compression.type", SET, Some("gzip"))),
    ];
    for (code, name, of_key) in of_brokers {
        assert_eq!(
            change(&mut client, (BROKER, name), of_key),
            code,
            "{of_key:?}"
        );
    }
    for (code, resource) in [
        (3, (TOPIC, "absent")),
        (17, (TOPIC, "not valid")),
        (42, (CLIENT_METRICS, "sub")),
        (42, (CLIENT_METRICS, "")),
        (42, (GROUP, "")),
        (42, (77, "x")),
    ] {
        let of_key = ("retention.ms", SET, Some("86400000"));
        assert_eq!(change(&mut client, resource, of_key), code, "{resource:?}");
    }
}

#[test]
fn lists_are_appended_to_and_subtracted_from() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 1)]);
    let steps = [
        (APPEND, Some("compact"), "delete,compact", 1),
        (APPEND, Some("compact"), "delete,compact", 1),
        (SUBTRACT, Some("delete"), "compact", 1),
        (SUBTRACT, Some("delete"), "compact", 1),
        (APPEND, Some("delete,compact"), "compact,delete", 1),
        (DELETE, None, "delete", 5),
    ];
    for (operation, given, expected, source) in steps {
        let of_key = ("cleanup.policy", operation, given);
        assert_eq!(change(&mut client, (TOPIC, "known"), of_key), 0);
        let shown = value(&mut client, TOPIC, "known", "cleanup.policy");
        assert_eq!(
            shown,
            Some((Some(expected.to_owned()), source)),
            "{of_key:?}"
        );
    }
}

#[test]
fn a_value_of_a_broker_is_the_default_of_its_topics() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 1)]);
    let shown = |text: &str, source| Some((Some(text.to_owned()), source));
    let set = |text| ("log.retention.ms", SET, Some(text));
    assert_eq!(change(&mut client, (BROKER, ""), set("2000000")), 0);
    assert_eq!(
        value(&mut client, TOPIC, "known", "retention.ms"),
        shown("2000000", 3)
    );
    assert_eq!(change(&mut client, (BROKER, "1"), set("1000000")), 0);
    assert_eq!(
        value(&mut client, TOPIC, "known", "retention.ms"),
        shown("1000000", 2)
    );
    assert_eq!(
        value(&mut client, BROKER, "", "log.retention.ms"),
        shown("2000000", 3)
    );
    assert_eq!(
        value(&mut client, BROKER, "1", "log.retention.ms"),
        shown("1000000", 2)
    );
}

#[test]
fn the_old_request_replaces_all_keys_of_a_resource() {
    use alter_configs_request::{AlterConfigsResource, AlterableConfig};
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 1)]);
    let mut alter = |configs: &[(&str, Option<&str>)]| {
        let configs = configs.iter().map(|(name, value)| {
            AlterableConfig::default()
                .with_name(text(name))
                .with_value(value.map(text))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("known"))
            .with_configs(configs.collect());
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        let code = client.call(2, &request).responses[0].error_code;
        let retention = value(&mut client, TOPIC, "known", "retention.ms");
        (code, retention.and_then(|(value, _)| value).unwrap())
    };
    let both = [("retention.ms", Some("9000")), ("segment.ms", Some("8000"))];
    assert_eq!(alter(&both), (0, "9000".to_owned()));
    assert_eq!(alter(&[("segment.ms", None)]), (42, "9000".to_owned()));
    assert_eq!(alter(&[("nonsense", Some("1"))]), (40, "9000".to_owned()));
    let twice = [("segment.ms", Some("1")), ("segment.ms", Some("2"))];
    assert_eq!(alter(&twice), (42, "9000".to_owned()));
    assert_eq!(
        alter(&[("segment.ms", Some("8000"))]),
        (0, "604800000".to_owned())
    );
}

#[test]
fn resources_are_listed_once() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.create(&[("known", 1)]);
    assert_eq!(
        change(
            &mut client,
            (CLIENT_METRICS, "sub"),
            ("interval.ms", SET, Some("1000"))
        ),
        0
    );
    let mut list = |kinds: &[i8]| {
        let request = ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec());
        let response = client.call(1, &request);
        let mut found: Vec<_> = response
            .config_resources
            .iter()
            .map(|resource| (resource.resource_type, resource.resource_name.to_string()))
            .collect();
        found.sort();
        (response.error_code, found)
    };
    let topic = (TOPIC, "known".to_owned());
    let (broker, logger) = ((BROKER, "1".to_owned()), (LOGGER, "1".to_owned()));
    let subscription = (CLIENT_METRICS, "sub".to_owned());
    assert_eq!(list(&[TOPIC]), (0, vec![topic.clone()]));
    assert_eq!(list(&[BROKER, BROKER]), (0, vec![broker.clone()]));
    assert_eq!(list(&[]), (0, vec![topic, broker, logger, subscription]));
    assert_eq!(list(&[BROKER, 77]), (35, vec![]));
}

fn quota(entity: &[(&str, Option<&str>)], key: &str, value: f64, remove: bool) -> EntryData {
    let entity = entity.iter().map(|(kind, name)| {
        EntityData::default()
            .with_entity_type(text(kind))
            .with_entity_name(name.map(text))
    });
    let change = OpData::default()
        .with_key(text(key))
        .with_value(value)
        .with_remove(remove);
    EntryData::default()
        .with_entity(entity.collect())
        .with_ops(vec![change])
}

#[test]
fn quotas_that_cannot_be_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let (user, ip) = (("user", Some("u")), ("ip", Some("127.0.0.2")));
    let rate = "producer_byte_rate";
    let connections = "connection_creation_rate";
    let cases = [
        (0, quota(&[user], rate, 1e9, false)),
        (
            0,
            quota(
                &[user, ("client-id", None)],
                "request_percentage",
                50.5,
                false,
            ),
        ),
        (0, quota(&[ip], connections, 10.0, false)),
        (0, quota(&[user], rate, 0.0, true)),
        (
            42,
            quota(&[("client-id", None)], "consumer_byte_rate", 5.5, false),
        ),
        (
            42,
            quota(&[("ip", Some("not an ip!"))], connections, 10.0, false),
        ),
        (42, quota(&[ip, user], connections, 10.0, false)),
        (42, quota(&[user], "nonsense", 1.0, false)),
        (42, quota(&[("foo", Some("u"))], rate, 1.0, false)),
        (42, quota(&[user], rate, -1.0, false)),
        (42, quota(&[user], rate, 0.0, false)),
        (42, quota(&[ip], rate, 10.0, false)),
        (42, quota(&[user], connections, 10.0, false)),
        (42, quota(&[], rate, 1.0, false)),
        (42, quota(&[("user", Some(""))], rate, 1.0, false)),
    ];
    for (code, entry) in cases {
        for validate_only in [true, false] {
            let request = AlterClientQuotasRequest::default()
                .with_entries(vec![entry.clone()])
                .with_validate_only(validate_only);
            let answer = client.call(1, &request).entries.remove(0);
            assert_eq!(answer.error_code, code, "{entry:?}");
            assert_eq!(answer.error_message.is_some(), code != 0);
        }
    }
}

#[test]
fn quotas_are_found_by_what_their_entities_are() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let (user, id) = (("user", Some("u")), ("client-id", None));
    let entries = vec![
        quota(&[user], "producer_byte_rate", 1e9, false),
        quota(&[id], "producer_byte_rate", 1e9, false),
        quota(&[user, id], "producer_byte_rate", 1e9, false),
    ];
    client.call(
        1,
        &AlterClientQuotasRequest::default().with_entries(entries),
    );
    let component = |kind: &str, match_type, name: Option<&str>| {
        ComponentData::default()
            .with_entity_type(text(kind))
            .with_match_type(match_type)
            .with_match(name.map(text))
    };
    let cases = [
        (vec![], false, Ok(3)),
        (vec![], true, Ok(0)),
        (vec![component("user", 0, Some("u"))], false, Ok(2)),
        (vec![component("user", 0, Some("u"))], true, Ok(1)),
        (
            vec![component("user", 2, None), component("client-id", 1, None)],
            true,
            Ok(1),
        ),
        (vec![component("user", 1, None)], false, Ok(0)),
        (vec![component("user", 0, Some("absent"))], false, Ok(0)),
        (vec![component("user", 9, None)], false, Err(42)),
        (vec![component("user", 0, None)], false, Err(42)),
        (vec![component("user", 2, Some("u"))], false, Err(42)),
        (vec![component("", 2, None)], false, Err(42)),
        (
            vec![component("user", 2, None), component("user", 1, None)],
            false,
            Err(42),
        ),
    ];
    for (components, strict, expected) in cases {
        let request = DescribeClientQuotasRequest::default()
            .with_components(components.clone())
            .with_strict(strict);
        let response = client.call(1, &request);
        let found = match response.error_code {
            0 => Ok(response.entries.unwrap().len()),
            code => Err(code),
        };
        assert_eq!(found, expected, "{components:?} {strict}");
    }
}
