//! Topics that are deleted, made anew, extended and configured while they are written and read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest,
    IncrementalAlterConfigsRequest, MetadataRequest, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_conformance::broker::Broker;
use milena_conformance::partition::{FETCH, Fetch, PRODUCE, Partition, batch, batches};
use milena_conformance::wire::{Connection, request_payload};
use milena_protocol::TopicId;

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const UNKNOWN_TOPIC_ID: i16 = 100;
/// First versions in which topics have ids.
const PRODUCE_BY_ID: i16 = 13;
const FETCH_BY_ID: i16 = 13;

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

fn delete(connection: &mut Connection, topic: &str) -> Result<()> {
    let request = DeleteTopicsRequest::default()
        .with_topic_names(vec![name(topic)])
        .with_timeout_ms(30_000);
    let code = connection.call(5, &request)?.responses[0].error_code;
    ensure!(code == 0, "deletion failed with {code}");
    Ok(())
}

fn create(connection: &mut Connection, topic: &str) -> Result<()> {
    let topic = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    let code = connection.call(5, &request)?.topics[0].error_code;
    ensure!(code == 0, "creation failed with {code}");
    Ok(())
}

fn topic_id(connection: &mut Connection, topic: &str) -> Result<TopicId> {
    let asked = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(false);
    Ok(TopicId(connection.call(12, &request)?.topics[0].topic_id))
}

/// Produces to a topic by its id, as clients of today do.
fn produce_by_id(connection: &mut Connection, id: TopicId) -> Result<(i16, i64)> {
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(batch(&[b"v"])?.into()));
    let topic = TopicProduceData::default()
        .with_topic_id(id.0)
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    let answer = connection.call(PRODUCE_BY_ID, &request)?;
    let answer = &answer.responses[0].partition_responses[0];
    Ok((answer.error_code, answer.base_offset))
}

fn fetch_by_id(id: TopicId, (session, epoch): (i32, i32), max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(0)
        .with_current_leader_epoch(-1)
        .with_partition_max_bytes(1 << 20);
    // A later request of a session names only what changes.
    let topics = if epoch > 0 {
        Vec::new()
    } else {
        vec![
            FetchTopic::default()
                .with_topic_id(id.0)
                .with_partitions(vec![partition]),
        ]
    };
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_id(session)
        .with_session_epoch(epoch)
        .with_topics(topics)
}

#[test]
fn fetch_that_waits_wakes_when_its_topic_is_deleted() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let mut connection = Connection::open(broker.address())?;
    let mut by_id = Connection::open(broker.address())?;
    let id = topic_id(&mut connection, partition.topic())?;
    // The answer is waited for less long than this.
    let wait_ms = 300_000;
    let request = partition.fetch_request(Fetch {
        max_wait_ms: wait_ms,
        ..Fetch::at(0)
    });
    let by_name = partition.connection.send(FETCH, &request)?;
    let sent = by_id.send(FETCH_BY_ID, &fetch_by_id(id, (0, -1), wait_ms))?;
    delete(&mut connection, partition.topic())?;
    let answer = partition
        .connection
        .receive::<FetchRequest>(FETCH, by_name)?;
    let code = answer.responses[0].partitions[0].error_code;
    assert_eq!(code, UNKNOWN_TOPIC_OR_PARTITION, "by name");
    let answer = by_id.receive::<FetchRequest>(FETCH_BY_ID, sent)?;
    assert_eq!(answer.error_code, 0);
    assert_eq!(
        answer.responses[0].partitions[0].error_code, UNKNOWN_TOPIC_ID,
        "by id"
    );
    Ok(())
}

#[test]
fn topic_made_anew_is_another_one() -> Result<()> {
    let broker = Broker::any()?;
    let mut partition = Partition::create(&broker, &[])?;
    let topic = partition.topic().to_owned();
    let mut connection = Connection::open(broker.address())?;
    let old = topic_id(&mut connection, &topic)?;
    for _ in 0..5 {
        assert_eq!(produce_by_id(&mut connection, old)?.0, 0);
    }
    // Sessions by id and by name, with the topic in them.
    let opened = connection.call(FETCH_BY_ID, &fetch_by_id(old, (0, 0), 0))?;
    let named = partition.fetch(Fetch {
        session: (0, 0),
        ..Fetch::at(5)
    })?;
    ensure!(
        opened.session_id > 0 && named.session_id > 0,
        "sessions were opened"
    );

    delete(&mut connection, &topic)?;
    create(&mut connection, &topic)?;
    let new = topic_id(&mut connection, &topic)?;
    ensure!(new != old, "the id is the old one");
    assert_eq!(produce_by_id(&mut connection, old)?, (UNKNOWN_TOPIC_ID, -1));
    assert_eq!(
        produce_by_id(&mut connection, new)?,
        (0, 0),
        "it starts at 0"
    );

    let read = connection.call(FETCH_BY_ID, &fetch_by_id(old, (opened.session_id, 1), 0))?;
    assert_eq!((read.error_code, read.session_id), (0, opened.session_id));
    assert_eq!(TopicId(read.responses[0].topic_id), old);
    assert_eq!(read.responses[0].partitions[0].error_code, UNKNOWN_TOPIC_ID);
    // Offset 5 of the old topic is none of the new one.
    let mut request = partition.fetch_request(Fetch::at(0));
    request.session_id = named.session_id;
    request.session_epoch = 1;
    request.topics.clear();
    let read = partition.connection.call(FETCH, &request)?;
    let code = read.responses[0].partitions[0].error_code;
    assert_eq!(code, 1, "OFFSET_OUT_OF_RANGE");
    Ok(())
}

/// Runs `change` while four producers write to partition 0 of a topic; what they got: offsets that
/// were acknowledged, and the errors.
fn under_load(
    broker: &Broker,
    partition: &Partition,
    change: impl FnOnce(&dyn Fn(usize)) -> Result<()>,
) -> Result<(Vec<i64>, BTreeSet<i16>)> {
    let ends = AtomicBool::new(false);
    let (told, ticks) = mpsc::channel();
    let produce = |mut partition: Partition, told: Sender<()>| -> Result<_> {
        let (mut offsets, mut errors) = (Vec::new(), BTreeSet::new());
        while !ends.load(Ordering::Acquire) {
            let request = partition.produce_request(-1, 0, batch(&[b"v", &[b'v'; 700]])?);
            let answer = partition.connection.call(PRODUCE, &request)?;
            let answer = &answer.responses[0].partition_responses[0];
            match answer.error_code {
                0 => offsets.extend([answer.base_offset, answer.base_offset + 1]),
                code => {
                    errors.insert(code);
                }
            }
            let _ = told.send(());
        }
        Ok((offsets, errors))
    };
    thread::scope(|scope| {
        let mut producers = Vec::new();
        for _ in 0..4 {
            let (partition, told) = (partition.reconnect(broker)?, told.clone());
            let produce = &produce;
            producers.push(scope.spawn(move || produce(partition, told)));
        }
        drop(told);
        let wait = |answers: usize| {
            // Where all producers have ended they say why.
            ticks.iter().take(answers).for_each(drop);
        };
        wait(20);
        let changed = change(&wait);
        ends.store(true, Ordering::Release);
        let (mut offsets, mut errors) = (Vec::new(), BTreeSet::new());
        for producer in producers {
            let outcome = producer
                .join()
                .map_err(|_| anyhow::anyhow!("a producer panicked"))?;
            let (own, failed) = outcome?;
            offsets.extend(own);
            errors.extend(failed);
        }
        changed?;
        Ok((offsets, errors))
    })
}

#[test]
fn deletion_under_load_ends_producers_and_leaves_nothing() -> Result<()> {
    let mut broker = Broker::start(&["file.delete.delay.ms=0", "log.segment.delete.delay.ms=0"])?;
    let partition = Partition::create(&broker, &[])?;
    let topic = partition.topic().to_owned();
    let mut connection = Connection::open(broker.address())?;
    for _ in 0..5 {
        let (_, errors) = under_load(&broker, &partition, |wait| {
            delete(&mut connection, &topic)?;
            wait(40);
            create(&mut connection, &topic)
        })?;
        // Producers try again on each of these.
        ensure!(
            errors.is_subset(&BTreeSet::from([3, 5, 6])),
            "errors {errors:?}"
        );
        ensure!(
            errors.contains(&UNKNOWN_TOPIC_OR_PARTITION),
            "errors {errors:?}"
        );
    }
    let end = partition.reconnect(&broker)?.end()?;
    broker.kill()?;
    broker.restart()?;
    let mut partition = partition.reconnect(&broker)?;
    assert_eq!(partition.end()?, end);
    let strays: Vec<_> = std::fs::read_dir(broker.data()?)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("-stray") || name.contains("-delete"))
        .collect();
    ensure!(strays.is_empty(), "left over: {strays:?}");
    ensure!(!broker.log()?.contains("offline"), "{}", broker.log()?);
    Ok(())
}

/// Every acknowledged offset was given once and is there, in batches without gaps.
fn check_complete(partition: &mut Partition, offsets: &[i64]) -> Result<()> {
    let distinct: BTreeSet<_> = offsets.iter().collect();
    assert_eq!(distinct.len(), offsets.len(), "an offset was given twice");
    let end = partition.end()?;
    let start = partition.list_offsets(-2)?.1;
    ensure!(
        offsets.iter().max().is_none_or(|&last| last < end),
        "acknowledged beyond {end}"
    );
    let mut next = start;
    while next < end {
        let read = partition.fetch_one(Fetch::at(next))?;
        ensure!(read.error_code == 0, "error {} at {next}", read.error_code);
        for (first, last) in batches(&read.records.context("records")?)? {
            ensure!(last < next || first == next, "{first} follows {next}");
            next = next.max(last + 1);
        }
    }
    Ok(())
}

#[test]
fn configuration_changes_under_load_without_an_error() -> Result<()> {
    let broker = Broker::start(&[])?;
    let mut partition = Partition::create(&broker, &[])?;
    let mut connection = Connection::open(broker.address())?;
    let topic = partition.topic().to_owned();
    let mut set = |key: &str, value: Option<&str>| -> Result<()> {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let config = AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(i8::from(value.is_none()))
            .with_value(value.map(text));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text(&topic))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer = connection.call(1, &request)?;
        let code = answer.responses[0].error_code;
        ensure!(code == 0, "{key}={value:?} was answered with {code}");
        Ok(())
    };
    let (offsets, errors) = under_load(&broker, &partition, |wait| {
        for round in 0..5 {
            set("segment.bytes", Some("1048576"))?;
            set(
                "durability",
                Some(if round % 2 == 0 {
                    "replicated"
                } else {
                    "persisted"
                }),
            )?;
            wait(50);
            set("index.interval.bytes", Some("100"))?;
            set("flush.messages", Some("1"))?;
            set("message.timestamp.type", Some("LogAppendTime"))?;
            wait(50);
            set("message.timestamp.type", None)?;
            set("flush.messages", None)?;
            set("segment.bytes", None)?;
        }
        set("durability", Some("persisted"))
    })?;
    assert_eq!(errors, BTreeSet::new());
    check_complete(&mut partition, &offsets)
}

#[test]
fn partitions_are_added_under_load() -> Result<()> {
    let broker = Broker::start(&[])?;
    let mut partition = Partition::create(&broker, &[])?;
    let topic = partition.topic().to_owned();
    let mut connection = Connection::open(broker.address())?;
    let mut added = Connection::open(broker.address())?;
    let (offsets, errors) = under_load(&broker, &partition, |wait| {
        for count in [2, 3, 8, 30] {
            let extended = CreatePartitionsTopic::default()
                .with_name(name(&topic))
                .with_count(count)
                .with_assignments(None);
            let request = CreatePartitionsRequest::default()
                .with_topics(vec![extended])
                .with_timeout_ms(30_000);
            let answer = connection.call(3, &request)?;
            let code = answer.results[0].error_code;
            ensure!(code == 0, "growing to {count} was answered with {code}");
            // It serves when it is announced.
            let request = partition.produce_request(-1, count - 1, batch(&[b"first"])?);
            let answer = added.call(PRODUCE, &request)?;
            let answer = &answer.responses[0].partition_responses[0];
            assert_eq!(
                (answer.error_code, answer.base_offset),
                (0, 0),
                "partition {}",
                count - 1
            );
            wait(20);
        }
        Ok(())
    })?;
    assert_eq!(errors, BTreeSet::new());
    check_complete(&mut partition, &offsets)
}

#[test]
fn two_clients_make_and_delete_one_topic() -> Result<()> {
    let broker = Broker::start(&[])?;
    let topic = "contended";
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for _ in 0..2 {
            let mut connection = Connection::open(broker.address())?;
            clients.push(scope.spawn(move || -> Result<()> {
                for _ in 0..15 {
                    let new = CreatableTopic::default()
                        .with_name(name(topic))
                        .with_num_partitions(3)
                        .with_replication_factor(1);
                    let request = CreateTopicsRequest::default()
                        .with_topics(vec![new])
                        .with_timeout_ms(30_000);
                    match connection.call(5, &request)?.topics[0].error_code {
                        // Made now, or by the other one.
                        0 | 36 => {}
                        code => bail!("creation failed with {code}"),
                    }
                    let request = DeleteTopicsRequest::default()
                        .with_topic_names(vec![name(topic)])
                        .with_timeout_ms(30_000);
                    match connection.call(5, &request)?.responses[0].error_code {
                        0 | UNKNOWN_TOPIC_OR_PARTITION => {}
                        code => bail!("deletion failed with {code}"),
                    }
                }
                Ok(())
            }));
        }
        for client in clients {
            client
                .join()
                .map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(())
    })
}

/// More requests in one piece than the broker keeps waiting at once, and then silence: that some of
/// them were held back must not be forgotten when the acknowledgements come sooner than it looks.
#[test]
fn every_produce_of_one_write_is_answered() -> Result<()> {
    const REQUESTS: i32 = 200;
    let broker = Broker::any()?;
    let partition = Partition::create(&broker, &[])?;
    for acks in [1, -1] {
        let mut connection = Connection::open(broker.address())?;
        let mut bytes = Vec::new();
        for id in 0..REQUESTS {
            let request = partition.produce_request(acks, 0, batch(&[b"v"])?);
            let payload = request_payload(id, PRODUCE, &request)?;
            bytes.extend(i32::try_from(payload.len())?.to_be_bytes());
            bytes.extend_from_slice(&payload);
        }
        connection.write(&bytes)?;
        for id in 0..REQUESTS {
            let answer = connection
                .receive::<ProduceRequest>(PRODUCE, id)
                .with_context(|| format!("answer {id} with acks={acks}"))?;
            let code = answer.responses[0].partition_responses[0].error_code;
            ensure!(code == 0, "request {id}: error {code}");
        }
    }
    Ok(())
}
