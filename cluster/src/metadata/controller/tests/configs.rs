use super::*;
use crate::metadata::ResourceKind;

fn change(key: &str, operation: ConfigOperation, value: Option<&str>) -> ConfigChange {
    ConfigChange {
        key: key.into(),
        operation,
        value: value.map(str::to_owned),
    }
}

fn alter(
    harness: &mut Harness,
    resource: ConfigResource,
    changes: &[ConfigChange],
) -> Result<(), Error> {
    let request = IncrementalAlterConfigs {
        resources: vec![ResourceChange {
            resource,
            changes: changes.to_vec(),
        }],
        validate_only: false,
    };
    harness.ok(&request).remove(0).result
}

fn value(harness: &Harness, resource: &ConfigResource, key: &str) -> Option<String> {
    harness.image.config(resource, key).map(ToString::to_string)
}

#[test]
fn single_keys_are_set_deleted_appended_and_subtracted() {
    use ConfigOperation::{Append, Delete, Set, Subtract};
    let mut harness = Harness::new(1);
    harness.create("t", &[&[1]]);
    let topic = ConfigResource::topic("t");
    let key = "cleanup.policy";
    for (operation, given, expected) in [
        // The default of the list is `delete`.
        (Append, Some("compact"), Some("delete,compact")),
        (Append, Some("compact"), Some("delete,compact")),
        (Subtract, Some("delete,none"), Some("compact")),
        (Set, Some("delete"), Some("delete")),
        (Delete, None, None),
        (Delete, Some("ignored"), None),
    ] {
        let changes = [change(key, operation, given)];
        assert_eq!(
            alter(&mut harness, topic.clone(), &changes),
            Ok(()),
            "{operation:?}"
        );
        assert_eq!(
            value(&harness, &topic, key).as_deref(),
            expected,
            "{operation:?}"
        );
    }
    let before = harness.log.len();
    let no_list = change("retention.ms", Append, Some("1"));
    let error = alter(&mut harness, topic.clone(), &[no_list]).unwrap_err();
    assert_eq!(
        error,
        Error::new(
            ErrorCode::InvalidConfig,
            "Can't APPEND to key retention.ms because its type is not LIST."
        )
    );
    // One wrong change leaves all of the resource as it is.
    let changes = [
        change("retention.ms", Set, Some("7")),
        change("segment.ms", Set, Some("x")),
    ];
    assert_eq!(
        alter(&mut harness, topic, &changes).unwrap_err().code,
        ErrorCode::InvalidConfig
    );
    assert_eq!(harness.log.len(), before);
}

#[test]
fn malformed_requests_are_refused() {
    use ConfigOperation::Set;
    let mut harness = Harness::new(1);
    harness.create("t", &[&[1]]);
    let topic = ConfigResource::topic("t");
    let invalid = |message: &str| Err(Error::new(ErrorCode::InvalidRequest, message));
    let null = [change("retention.ms", Set, None)];
    let expected = invalid("Null value not supported for : retention.ms");
    assert_eq!(alter(&mut harness, topic.clone(), &null), expected);
    let set = change("retention.ms", Set, Some("5"));
    let twice = [set.clone(), set.clone()];
    let expected = invalid("Error due to duplicate config keys");
    assert_eq!(alter(&mut harness, topic.clone(), &twice), expected);
    let resource = ResourceChange {
        resource: topic,
        changes: vec![set],
    };
    let request = IncrementalAlterConfigs {
        resources: vec![resource.clone(), resource],
        validate_only: false,
    };
    for result in harness.ok(&request) {
        assert_eq!(
            result.result,
            invalid("Each resource must appear at most once.")
        );
    }
}

#[test]
fn resources_are_checked() {
    use ResourceKind::{Broker, BrokerLogger, ClientMetrics, Group, Topic};
    let mut harness = Harness::new(1);
    let invalid = ErrorCode::InvalidRequest;
    for (kind, name, code) in [
        (Topic, "", invalid),
        (Topic, "a b", ErrorCode::InvalidTopicException),
        (Topic, "none", ErrorCode::UnknownTopicOrPartition),
        (Broker, "x", invalid),
        (Broker, "-1", invalid),
        (Broker, "9", ErrorCode::BrokerIdNotRegistered),
        (Group, "", invalid),
        (ClientMetrics, "", invalid),
        (BrokerLogger, "1", invalid),
    ] {
        let resource = ConfigResource::new(kind, name);
        assert_eq!(
            alter(&mut harness, resource, &[]).unwrap_err().code,
            code,
            "{kind:?} {name}"
        );
    }
    for (kind, name) in [
        (Broker, ""),
        (Broker, "1"),
        (Broker, "0"),
        (Group, "g"),
        (ClientMetrics, "m"),
    ] {
        assert_eq!(
            alter(&mut harness, ConfigResource::new(kind, name), &[]),
            Ok(())
        );
    }
}

#[test]
fn broker_keys_follow_their_scope() {
    let mut harness = Harness::new(1);
    let (one, all) = (
        ConfigResource::broker(id(1)),
        ConfigResource::default_broker(),
    );
    assert_eq!(
        harness.configure(all.clone(), &[("log.retention.ms", "5")]),
        Ok(())
    );
    // Written again though nothing changed: the broker loads files anew.
    let before = harness.log.len();
    assert_eq!(
        harness.configure(all.clone(), &[("log.retention.ms", "5")]),
        Ok(())
    );
    assert_eq!(harness.log.len(), before + 1);
    for (resource, key, value, code) in [
        (&one, "node.id", "3", ErrorCode::InvalidRequest),
        (&one, "log.retention.ms", "x", ErrorCode::InvalidRequest),
        (
            &all,
            "listeners",
            "PLAINTEXT://:1",
            ErrorCode::InvalidRequest,
        ),
    ] {
        let error = harness
            .configure(resource.clone(), &[(key, value)])
            .unwrap_err();
        assert_eq!(error.code, code, "{key}: {error}");
    }
    assert_eq!(harness.configure(one, &[("my.plugin.key", "x")]), Ok(()));
    let metrics = ConfigResource::new(ResourceKind::ClientMetrics, "m");
    let error = harness
        .configure(metrics, &[("interval.ms", "5")])
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);
}

#[test]
fn the_old_request_replaces_everything() {
    let mut harness = Harness::new(1);
    harness.create("t", &[&[1]]);
    let topic = ConfigResource::topic("t");
    harness
        .configure(topic.clone(), &[("retention.ms", "1"), ("segment.ms", "2")])
        .unwrap();
    let request = |configs: &[(&str, Option<&str>)], validate_only| AlterConfigs {
        resources: vec![ResourceConfigs {
            resource: topic.clone(),
            configs: configs
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.map(str::to_owned)))
                .collect(),
        }],
        validate_only,
    };
    let before = harness.log.len();
    let new = [("segment.ms", Some("2")), ("flush.ms", Some("3"))];
    assert_eq!(harness.ok(&request(&new, true))[0].result, Ok(()));
    assert_eq!(harness.log.len(), before);
    assert_eq!(harness.ok(&request(&new, false))[0].result, Ok(()));
    assert_eq!(harness.last_records().len(), 2);
    let has: Vec<_> = harness
        .image
        .configs(&topic)
        .unwrap()
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(has, ["flush.ms", "segment.ms"]);
    let null = harness
        .ok(&request(&[("flush.ms", None)], false))
        .remove(0)
        .result;
    assert_eq!(null.unwrap_err().code, ErrorCode::InvalidRequest);
    assert_eq!(harness.ok(&request(&[], false))[0].result, Ok(()));
    assert!(harness.image.configs(&topic).is_none());
}

#[test]
fn the_minimum_of_in_sync_replicas_is_guarded_with_eligible_replicas() {
    use ConfigOperation::{Delete, Set};
    let key = "min.insync.replicas";
    let mut harness = Harness::with_elr(3, 2);
    harness.create("t", &[&[1, 2, 3]]);
    let all = ConfigResource::default_broker();
    assert_eq!(
        value(&harness, &all, key).as_deref(),
        Some("2"),
        "written with the feature"
    );
    let refused = |message: &str| Err(Error::new(ErrorCode::InvalidConfig, message));
    assert_eq!(
        alter(
            &mut harness,
            ConfigResource::broker(id(1)),
            &[change(key, Set, Some("1"))]
        ),
        refused("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
    );
    assert_eq!(
        alter(&mut harness, all.clone(), &[change(key, Delete, None)]),
        refused("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
    );
    harness.fence(2);
    harness.fence(3);
    assert_eq!(harness.state(), (Some(1), vec![1], vec![3]));
    assert_eq!(
        alter(&mut harness, all, &[change(key, Set, Some("1"))]),
        Ok(())
    );
    assert_eq!(harness.last_records().last().unwrap().name(), "ClearElr");
    assert_eq!(harness.state().2, Vec::<i32>::new());
}

#[test]
fn a_string_that_no_record_holds_is_refused() {
    let mut harness = Harness::new(1);
    let long = "x".repeat(40_000);
    let request = IncrementalAlterConfigs {
        resources: vec![ResourceChange {
            resource: ConfigResource::broker(id(1)),
            changes: vec![change("my.plugin.key", ConfigOperation::Set, Some(&long))],
        }],
        validate_only: false,
    };
    assert_eq!(harness.refused(&request), ErrorCode::InvalidRequest);
}
