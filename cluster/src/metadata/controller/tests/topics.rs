use super::*;

#[track_caller]
fn check_refused(topic: NewTopic, code: ErrorCode, message: &str) {
    let mut harness = Harness::new(3);
    harness.create("taken.name", &[&[1]]);
    let before = harness.log.len();
    let error = harness.create_with(topic).unwrap_err();
    assert_eq!(
        (error.code, error.message.as_deref()),
        (code, Some(message))
    );
    assert_eq!(harness.log.len(), before, "nothing is written");
}

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> NewTopic {
    NewTopic {
        name: name.into(),
        id: topic_id(77),
        num_partitions,
        replication_factor,
        ..NewTopic::default()
    }
}

fn assigned(assignments: &[(i32, &[i32])]) -> NewTopic {
    NewTopic {
        assignments: assignments
            .iter()
            .map(|&(index, replicas)| (PartitionIndex(index), ids(replicas)))
            .collect(),
        ..topic("t", -1, -1)
    }
}

#[test]
fn names_are_checked() {
    let invalid = ErrorCode::InvalidTopicException;
    for (name, code, message) in [
        (
            "",
            invalid,
            "Topic name is invalid: the empty string is not allowed",
        ),
        (".", invalid, "Topic name is invalid: '.' is not allowed"),
        ("..", invalid, "Topic name is invalid: '..' is not allowed"),
        (
            "a b",
            invalid,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII \
             alphanumerics, '.', '_' and '-'",
        ),
        (
            "ü",
            invalid,
            "Topic name is invalid: 'ü' contains one or more characters other than ASCII \
             alphanumerics, '.', '_' and '-'",
        ),
        (
            "taken_name",
            invalid,
            "Topic 'taken_name' collides with existing topic: taken.name",
        ),
        (
            "taken.name",
            ErrorCode::TopicAlreadyExists,
            "Topic 'taken.name' already exists.",
        ),
        (
            "__cluster_metadata",
            ErrorCode::InvalidRequest,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
    ] {
        check_refused(topic(name, 1, 1), code, message);
    }
    let long = "x".repeat(250);
    check_refused(
        topic(&long, 1, 1),
        invalid,
        &format!(
            "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
        ),
    );
    let mut harness = Harness::new(1);
    for name in [
        "x".repeat(249).as_str(),
        "a",
        "a-b",
        "a.b",
        "a_c",
        "...",
        "A9",
    ] {
        let topic = harness.new_topic(name, 1, 1);
        assert!(harness.create_with(topic).is_ok(), "{name}");
    }
}

#[test]
fn counts_are_checked() {
    check_refused(
        topic("t", 0, 1),
        ErrorCode::InvalidPartitions,
        "Number of partitions was set to an invalid non-positive value.",
    );
    check_refused(
        topic("t", -2, 1),
        ErrorCode::InvalidPartitions,
        "Number of partitions was set to an invalid non-positive value.",
    );
    for replicas in [0, -2] {
        check_refused(
            topic("t", 1, replicas),
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        );
    }
    check_refused(
        topic("t", 1, 4),
        ErrorCode::InvalidReplicationFactor,
        "Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot \
         be reached because only 3 broker(s) are registered or some brokers have all their log \
         directories cordoned.",
    );
    let mut harness = Harness::new(1);
    let request = CreateTopics {
        topics: vec![topic("t", 9_000, 1), topic("u", 1_001, 1)],
        ..CreateTopics::default()
    };
    assert_eq!(harness.refused(&request), ErrorCode::PolicyViolation);
}

#[test]
fn assignments_are_checked() {
    let invalid = ErrorCode::InvalidReplicaAssignment;
    let manual = "The manual partition assignment includes ";
    for (assignments, message) in [
        (
            &[(0, &[][..])][..],
            format!("{manual}an empty replica list."),
        ),
        (
            &[(0, &[9])],
            format!("{manual}broker 9, but no such broker is registered."),
        ),
        (
            &[(0, &[1, 1])],
            format!("{manual}the broker 1 more than once."),
        ),
        (
            &[(0, &[1]), (1, &[1, 2])],
            format!(
                "{manual}a partition with 2 replica(s), but this is not consistent with previous \
                 partitions, which have 1 replica(s)."
            ),
        ),
        (
            &[(0, &[1]), (0, &[1])],
            "Found multiple manual partition assignments for partition 0".to_owned(),
        ),
        (
            &[(0, &[1]), (2, &[1])],
            "partitions should be a consecutive 0-based integer sequence".to_owned(),
        ),
    ] {
        check_refused(assigned(assignments), invalid, &message);
    }
    let mut both = assigned(&[(0, &[1])]);
    both.num_partitions = 1;
    check_refused(
        both.clone(),
        ErrorCode::InvalidRequest,
        "A manual partition assignment was specified, but numPartitions was not set to -1.",
    );
    both.replication_factor = 1;
    check_refused(
        both,
        ErrorCode::InvalidRequest,
        "A manual partition assignment was specified, but replication factor was not set to -1.",
    );
    let mut harness = Harness::new(2);
    harness.fence(2);
    let error = harness
        .create_with(assigned(&[(0, &[1]), (1, &[2])]))
        .unwrap_err();
    assert_eq!(error.code, invalid);
}

#[test]
fn configurations_are_checked_and_written_between_topic_and_partitions() {
    let mut wrong = topic("t", 1, 1);
    wrong.configs = vec![("retention.ms".into(), None), ("x".into(), None)];
    check_refused(
        wrong,
        ErrorCode::InvalidConfig,
        "Null value not supported for topic configs: retention.ms,x",
    );
    let mut harness = Harness::new(1);
    for (key, value) in [
        ("no.such.key", "1"),
        ("retention.ms", "soon"),
        ("retention.ms", "-2"),
    ] {
        let mut topic = harness.new_topic("t", 1, 1);
        topic.configs = vec![(key.into(), Some(value.into()))];
        assert_eq!(
            harness.create_with(topic).unwrap_err().code,
            ErrorCode::InvalidConfig
        );
    }
    let mut topic = harness.new_topic("t", 1, 1);
    topic.configs = vec![("retention.ms".into(), Some("5".into()))];
    harness.create_with(topic).unwrap();
    let kinds: Vec<_> = harness.last_records().iter().map(Record::name).collect();
    assert_eq!(kinds, ["Topic", "Config", "Partition"]);
    let value = harness
        .image
        .config(&ConfigResource::topic("t"), "retention.ms");
    assert_eq!(value.map(AsRef::as_ref), Some("5"));
}

#[test]
fn defaults_are_those_of_the_controller() {
    let config = Config {
        num_partitions: 6,
        default_replication_factor: 2,
        ..Config::default()
    };
    let mut harness = Harness::with(config, &[("metadata.version", 30)], Harness::tables());
    harness.start_all(3);
    let topic = harness.new_topic("t", -1, -1);
    let created = harness.create_with(topic.clone()).unwrap();
    assert_eq!(
        created,
        CreatedTopic {
            id: topic.id,
            num_partitions: 6,
            replication_factor: 2
        }
    );
    for (_, _, partition) in harness.image.partitions() {
        assert_eq!(partition.leader, partition.replicas.first().copied());
        assert_eq!(partition.isr, partition.replicas);
        assert_eq!(
            partition.directories[0],
            directory_of(partition.replicas[0].0, 0)
        );
        assert_eq!(
            (partition.leader_epoch, partition.partition_epoch),
            (LeaderEpoch(0), 0)
        );
    }
}

#[test]
fn validation_writes_nothing_and_duplicates_are_refused_together() {
    let mut harness = Harness::new(1);
    let before = harness.log.len();
    let mut request = CreateTopics {
        topics: vec![
            topic("a", 1, 1),
            topic("b", 1, 1),
            topic("b", 1, 1),
            topic("c", 0, 1),
        ],
        validate_only: true,
        seed: 5,
    };
    request.topics[1].id = topic_id(78);
    let codes = |results: Vec<TopicResult>| -> Vec<_> {
        results
            .into_iter()
            .map(|topic| {
                (
                    topic.name,
                    topic.result.map(|_| ()).map_err(|error| error.code),
                )
            })
            .collect()
    };
    let expected = [
        ("a".to_owned(), Ok(())),
        ("b".to_owned(), Err(ErrorCode::InvalidRequest)),
        ("c".to_owned(), Err(ErrorCode::InvalidPartitions)),
    ];
    assert_eq!(codes(harness.ok(&request)), expected);
    assert_eq!(harness.log.len(), before);
    request.validate_only = false;
    assert_eq!(codes(harness.ok(&request)), expected);
    assert_eq!(harness.image.topic_count(), 1);
}

#[test]
fn a_taken_or_reserved_id_is_refused() {
    let mut harness = Harness::new(1);
    let taken = harness.create("t", &[&[1]]);
    for id in [taken, TopicId::ZERO, TopicId::METADATA] {
        let error = harness
            .create_with(NewTopic {
                id,
                ..topic("u", 1, 1)
            })
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::UnknownServerError);
    }
}

#[test]
fn a_policy_is_asked() {
    struct Policy;
    impl Rules for Policy {
        fn is_list(&self, _: crate::metadata::ResourceKind, _: &str) -> bool {
            false
        }
        fn default_value(&self, _: crate::metadata::ResourceKind, _: &str) -> Option<String> {
            None
        }
        fn check_configs(
            &self,
            _: &ConfigResource,
            _: &BTreeMap<String, String>,
            _: &BTreeMap<String, String>,
        ) -> Result<(), Error> {
            Ok(())
        }
        fn check_topic(&self, topic: &TopicPlan<'_>) -> Result<(), String> {
            let many = topic.assignments.len() > 2;
            if many {
                Err(format!("{} has too many", topic.name))
            } else {
                Ok(())
            }
        }
        fn check_change(
            &self,
            _: &ConfigResource,
            changes: &BTreeMap<String, Option<String>>,
        ) -> Result<(), String> {
            if changes.contains_key("k") {
                Err("no k".to_owned())
            } else {
                Ok(())
            }
        }
    }
    let mut harness = Harness::with(
        Config::default(),
        &[("metadata.version", 30)],
        Arc::new(Policy),
    );
    harness.start_all(1);
    let many = harness.new_topic("t", 3, 1);
    let violation = |message: &str| Error::new(ErrorCode::PolicyViolation, message);
    assert_eq!(harness.create_with(many), Err(violation("t has too many")));
    let few = harness.new_topic("t", 2, 1);
    harness.create_with(few).unwrap();
    let resource = ConfigResource::topic("t");
    assert_eq!(
        harness.configure(resource.clone(), &[("k", "v")]),
        Err(violation("no k"))
    );
    assert_eq!(harness.configure(resource, &[("l", "v")]), Ok(()));
}

#[test]
fn placement_spreads_leaders_replicas_and_racks() {
    let mut harness = Harness::with(
        Config::default(),
        &[("metadata.version", 30)],
        Harness::tables(),
    );
    for broker in 1..=6 {
        let mut request = harness.registration(broker, 5);
        request.rack = Some(format!("rack{}", broker % 3));
        harness.ok(&request);
        harness.unfence(broker);
    }
    for seed in 0..20 {
        let mut topic = harness.new_topic(&format!("t{seed}"), 12, 3);
        topic.configs.clear();
        let request = CreateTopics {
            topics: vec![topic],
            seed,
            ..CreateTopics::default()
        };
        harness.ok(&request)[0].result.as_ref().unwrap();
        let topic = harness.image.topic(&format!("t{seed}")).unwrap();
        let mut led = BTreeMap::new();
        for partition in topic.partitions.values() {
            *led.entry(partition.leader.unwrap()).or_insert(0) += 1;
            let racks: std::collections::BTreeSet<_> =
                partition.replicas.iter().map(|id| id.0 % 3).collect();
            assert_eq!(racks.len(), 3, "{:?}", partition.replicas);
        }
        assert_eq!(led.len(), 6, "every broker leads: {led:?}");
        assert!(led.values().all(|&count| count == 2), "{led:?}");
    }
}

#[test]
fn fenced_brokers_get_replicas_but_do_not_lead() {
    let mut harness = Harness::new(3);
    harness.fence(2);
    let topic = harness.new_topic("t", 6, 3);
    harness.create_with(topic).unwrap();
    for (_, _, partition) in harness.image.partitions() {
        assert_ne!(partition.leader, Some(id(2)));
        assert!(partition.replicas.contains(&id(2)) && !partition.isr.contains(&id(2)));
    }
    harness.fence(1);
    harness.fence(3);
    let topic = harness.new_topic("u", 1, 1);
    let error = harness.create_with(topic).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidReplicationFactor);
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    use TopicReference::{Id, Name};
    let mut harness = Harness::new(1);
    let a = harness.create("a", &[&[1]]);
    let b = harness.create("b", &[&[1]]);
    let c = harness.create("c", &[&[1]]);
    let unknown = topic_id(999);
    let request = DeleteTopics {
        topics: vec![
            Name("a".into()),
            Id(b),
            Name("b".into()),
            Name("c".into()),
            Name("c".into()),
            Name("none".into()),
            Id(unknown),
            Id(TopicId::ZERO),
        ],
    };
    let results = harness.ok(&request);
    let summary: Vec<_> = results
        .iter()
        .map(|topic| {
            (
                topic.name.as_deref(),
                topic.id,
                topic.error.as_ref().map(|error| error.code),
            )
        })
        .collect();
    assert_eq!(
        summary,
        [
            (Some("a"), a, None),
            (Some("b"), b, None),
            (Some("b"), TopicId::ZERO, Some(ErrorCode::InvalidRequest)),
            (Some("c"), TopicId::ZERO, Some(ErrorCode::InvalidRequest)),
            (
                Some("none"),
                TopicId::ZERO,
                Some(ErrorCode::UnknownTopicOrPartition)
            ),
            (None, unknown, Some(ErrorCode::UnknownTopicId)),
            (None, TopicId::ZERO, Some(ErrorCode::InvalidRequest)),
        ]
    );
    assert_eq!(
        harness
            .image
            .topics()
            .map(|topic| topic.id)
            .collect::<Vec<_>>(),
        [c]
    );
    harness.check_replay();
}
