use super::*;

fn update(name: &str, level: i16, upgrade: UpgradeKind) -> UpdateFeatures {
    UpdateFeatures {
        updates: vec![FeatureUpdate {
            name: name.into(),
            level,
            upgrade,
        }],
        validate_only: false,
    }
}

#[test]
fn a_new_cluster_has_kafkas_features() {
    let mut harness = Harness::with(Config::default(), &[], Harness::tables());
    harness.ok(&Bootstrap::default());
    let features: Vec<_> = harness
        .image
        .features()
        .map(|(name, level)| (name.to_string(), level))
        .collect();
    let expected = [
        ("eligible.leader.replicas.version", 1),
        ("group.version", 1),
        ("kraft.version", 1),
        ("metadata.version", 30),
        ("share.version", 1),
        ("streams.version", 1),
        ("transaction.version", 2),
    ];
    assert_eq!(
        features,
        expected.map(|(name, level)| (name.to_owned(), level))
    );
    assert_eq!(harness.image.features_epoch(), Offset(0));
    let before = harness.log.len();
    harness.ok(&Bootstrap::default());
    assert_eq!(harness.log.len(), before);
    let mut other = Harness::with(Config::default(), &[], Harness::tables());
    let newer = Bootstrap {
        features: vec![("group.version".into(), 9)],
    };
    assert_eq!(other.refused(&newer), ErrorCode::InvalidUpdateVersion);
}

type Case = (&'static str, i16, UpgradeKind, &'static str);

const REFUSED: &[Case] = &[
    (
        "group.version",
        2,
        UpgradeKind::Upgrade,
        "Invalid update version 2 for feature group.version. Local controller 0 only supports \
             versions 0-1",
    ),
    (
        "no.version",
        1,
        UpgradeKind::Upgrade,
        "Invalid update version 1 for feature no.version. Local controller 0 does not support \
             this feature.",
    ),
    (
        "group.version",
        -1,
        UpgradeKind::Upgrade,
        "Invalid update version -1 for feature group.version. A feature version cannot be \
             less than 0.",
    ),
    (
        "group.version",
        0,
        UpgradeKind::Upgrade,
        "Invalid update version 0 for feature group.version. Can't downgrade the version of \
             this feature without setting the upgrade type to either safe or unsafe downgrade.",
    ),
    (
        "share.version",
        1,
        UpgradeKind::SafeDowngrade,
        "Invalid update version 1 for feature share.version. Can't downgrade to a newer \
             version.",
    ),
    (
        "group.version",
        1,
        UpgradeKind::Unknown,
        "Invalid update version 1 for feature group.version. The controller does not support \
             the given upgrade type.",
    ),
    (
        "metadata.version",
        29,
        UpgradeKind::SafeDowngrade,
        "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested downgrade because it \
             might delete metadata information.",
    ),
    (
        "metadata.version",
        29,
        UpgradeKind::UnsafeDowngrade,
        "Unsupported metadata.version downgrade from 30 to 29. Unsafe metadata downgrade is not supported in this \
             version.",
    ),
];

#[test]
fn features_go_up_and_down() {
    use UpgradeKind::{SafeDowngrade, Upgrade};
    let mut harness = Harness::new(2);
    harness.ok(&update("group.version", 1, Upgrade));
    harness.ok(&update("transaction.version", 2, Upgrade));
    assert_eq!(harness.image.feature("transaction.version"), 2);
    for &(name, level, upgrade, message) in REFUSED {
        let error = harness.run(&update(name, level, upgrade)).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidUpdateVersion);
        let prefix =
            "The update failed for all features since the following feature had an error: ";
        assert_eq!(error.message, Some(format!("{prefix}{message}")));
    }
    harness.ok(&update("group.version", 0, SafeDowngrade));
    assert_eq!(harness.image.feature("group.version"), 0);
    let before = harness.log.len();
    let mut dry = update("share.version", 1, Upgrade);
    dry.validate_only = true;
    harness.ok(&dry);
    assert_eq!(harness.log.len(), before);
}

#[test]
fn a_level_that_a_broker_lacks_is_refused() {
    let mut harness = Harness::new(1);
    let mut old = harness.registration(2, 9);
    for feature in &mut old.features {
        if feature.name == "streams.version" {
            feature.max_supported_version = 0;
        }
    }
    harness.ok(&old);
    let error = harness
        .run(&update("streams.version", 1, UpgradeKind::Upgrade))
        .unwrap_err();
    assert!(
        error
            .message
            .unwrap()
            .ends_with("Broker 2 does not support this feature.")
    );
}

#[test]
fn eligible_replicas_need_their_metadata_version_and_agree_on_the_minimum() {
    let elr = "eligible.leader.replicas.version";
    let mut harness = Harness::with(
        Config {
            min_insync_replicas: 3,
            ..Config::default()
        },
        &[("metadata.version", 22)],
        Harness::tables(),
    );
    harness.start_all(1);
    let key = "min.insync.replicas";
    let one = ConfigResource::broker(id(1));
    harness.configure(one.clone(), &[(key, "2")]).unwrap();
    let error = harness
        .run(&update(elr, 1, UpgradeKind::Upgrade))
        .unwrap_err();
    assert!(
        error
            .message
            .unwrap()
            .contains("depends on metadata.version level 23")
    );
    let mut both = update("metadata.version", 30, UpgradeKind::Upgrade);
    both.updates
        .extend(update(elr, 1, UpgradeKind::Upgrade).updates);
    harness.ok(&both);
    assert!(harness.image.has_elr());
    assert!(harness.image.config(&one, key).is_none());
    let all = harness.image.config(&ConfigResource::default_broker(), key);
    assert_eq!(all.map(AsRef::as_ref), Some("3"));
}

#[test]
fn producer_ids_come_in_blocks() {
    use milena_protocol::ProducerId;
    let mut harness = Harness::new(1);
    let request = AllocateProducerIds {
        broker_id: id(1),
        broker_epoch: harness.epoch(1),
    };
    for first in [0, 1000, 2000] {
        let expected = ProducerIdBlock {
            first: ProducerId(first),
            count: 1000,
        };
        assert_eq!(harness.ok(&request), expected);
    }
    let stale = AllocateProducerIds {
        broker_epoch: BrokerEpoch(0),
        ..request
    };
    assert_eq!(harness.refused(&stale), ErrorCode::StaleBrokerEpoch);
    let unknown = AllocateProducerIds {
        broker_id: id(5),
        ..request
    };
    assert_eq!(harness.refused(&unknown), ErrorCode::StaleBrokerEpoch);
    let last = milena_protocol::stored::metadata::ProducerIds {
        next_producer_id: ProducerId(i64::MAX - 5),
        ..Default::default()
    };
    harness.image.apply(&last.into());
    assert_eq!(harness.refused(&request), ErrorCode::UnknownServerError);
}
