//! `milena server` on directories that Apache Kafka has written, with Kafka's own `server.properties`,
//! and Apache Kafka on them again.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use milena_conformance::node::{Node, files};
use milena_conformance::partition::{Partition, sequenced};
use milena_protocol::{ProducerEpoch, ProducerId, Sequence};

/// Folder of the metadata log of Milena.
const METADATA: &str = "__milena_metadata";
const METADATA_OF_KAFKA: &str = "data/__cluster_metadata-0";
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
/// Records that the driver's `more` adds to each partition of these topics.
const MORE: i64 = 40;
const GROWING: &[&str] = &["again", "codecs", "many", "start", "timed"];

/// An idempotent producer whose requests are made by hand, so that they can be repeated.
struct Producer {
    id: ProducerId,
    /// Sequence of the next record.
    next: i32,
    /// Offset of its last batch.
    last: i64,
}

impl Producer {
    /// One that has sent a batch.
    fn begin(node: &Node) -> Result<Self> {
        let mut partition = Partition::existing(node.address(), "raw")?;
        let id = partition.producer_id()?;
        let mut producer = Self {
            id,
            next: 0,
            last: -1,
        };
        producer.send(&mut partition)?;
        Ok(producer)
    }

    fn batch(&self, sequence: i32) -> Result<Vec<u8>> {
        sequenced(
            &[b"one", b"two"],
            self.id,
            ProducerEpoch(0),
            Sequence(sequence),
        )
    }

    fn send(&mut self, partition: &mut Partition) -> Result<()> {
        let answer = partition.produce(self.batch(self.next)?)?;
        ensure!(answer.error_code == 0, "error {}", answer.error_code);
        self.last = answer.base_offset;
        self.next += 2;
        Ok(())
    }

    /// The broker knows the batch before, takes the next one, and only that.
    fn go_on(&mut self, node: &Node) -> Result<()> {
        let mut partition = Partition::existing(node.address(), "raw")?;
        let again = partition.produce(self.batch(self.next - 2)?)?;
        ensure!(again.error_code == 0, "error {}", again.error_code);
        ensure!(again.base_offset == self.last, "appended once more");
        let early = partition.produce(self.batch(self.next + 2)?)?;
        ensure!(
            early.error_code == OUT_OF_ORDER_SEQUENCE_NUMBER,
            "{early:?}"
        );
        self.send(&mut partition)
    }
}

/// Compares what the driver told, and shows only what differs.
fn equal(before: &[String], after: &[String]) -> Result<()> {
    let missing: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let added: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    ensure!(
        missing.is_empty() && added.is_empty(),
        "missing: {missing:#?}\nadded: {added:#?}"
    );
    ensure!(!before.is_empty(), "nothing was told");
    Ok(())
}

/// What is not about topics that `more` has made.
fn of_old_topics(state: &[String]) -> Vec<String> {
    let is_old = |line: &&String| !line.contains("-new");
    state.iter().filter(is_old).cloned().collect()
}

/// Number of records of each partition.
fn counts(state: &[String]) -> Result<BTreeMap<String, i64>> {
    let mut counts = BTreeMap::new();
    for line in state {
        if let ["records", partition, "read_uncommitted", count, _] =
            line.split(' ').collect::<Vec<_>>()[..]
        {
            counts.insert(partition.to_owned(), count.parse().context("a count")?);
        }
    }
    Ok(counts)
}

/// Every partition of the growing topics has all records that were acknowledged since.
fn has_grown(before: &[String], after: &[String]) -> Result<()> {
    let (before, after) = (counts(before)?, counts(after)?);
    for (partition, count) in &before {
        let topic = partition.rsplit_once('-').map_or("", |(topic, _)| topic);
        if GROWING.contains(&topic) {
            let now = after.get(partition).context("a partition is gone")?;
            ensure!(*now == count + MORE, "{partition}: {now} after {count}");
        }
    }
    ensure!(before.len() > GROWING.len(), "few partitions");
    Ok(())
}

#[test]
fn a_directory_of_kafka_is_served_and_can_be_given_back() -> Result<()> {
    let Some(mut node) = Node::format(&[], false)? else {
        return Ok(());
    };
    node.start_kafka()?;
    node.driver(&["make"])?;
    let mut producer = Producer::begin(&node)?;
    let by_kafka = node.driver(&["state"])?;
    node.stop()?;
    let metadata = files(&node.path(METADATA_OF_KAFKA))?;

    node.start_milena(&[])?;
    equal(&by_kafka, &node.driver(&["state"])?)?;
    producer.go_on(&node)?;
    node.driver(&["more", "here"])?;
    let by_milena = node.driver(&["state"])?;
    has_grown(&by_kafka, &by_milena)?;
    node.stop()?;
    ensure!(
        node.log()?.contains("level of a feature is lowered"),
        "levels are named"
    );

    node.start_milena(&[])?;
    equal(&by_milena, &node.driver(&["state"])?)?;
    node.stop()?;
    ensure!(
        files(&node.path(METADATA_OF_KAFKA))? == metadata,
        "Kafka's metadata log changed"
    );

    give_back(&mut node, &mut producer, &by_milena)
}

/// Apache Kafka opens the directory again, once the folder is gone that it does not know.
fn give_back(node: &mut Node, producer: &mut Producer, by_milena: &[String]) -> Result<()> {
    ensure!(
        node.start_kafka().is_err(),
        "Kafka minds a folder that it does not know"
    );
    node.kill()?;
    fs::rename(node.path("data").join(METADATA), node.path(METADATA))?;

    node.start_kafka()?;
    let by_kafka = node.driver(&["state"])?;
    equal(&of_old_topics(by_milena), &by_kafka)?;
    producer.go_on(node)?;
    node.driver(&["more", "there"])?;
    let grown = node.driver(&["state"])?;
    has_grown(&by_kafka, &grown)?;
    node.stop()?;

    // The next import is one like the first.
    node.start_milena(&[])?;
    equal(&grown, &node.driver(&["state"])?)?;
    producer.go_on(node)?;
    node.driver(&["more", "again"])?;
    has_grown(&grown, &node.driver(&["state"])?)?;
    node.stop()
}

#[test]
fn a_directory_that_kafka_did_not_close_is_refused_unless_forced() -> Result<()> {
    let Some(mut node) = Node::format(&[], false)? else {
        return Ok(());
    };
    node.start_kafka()?;
    node.driver(&["few"])?;
    let by_kafka = node.driver(&["state"])?;

    let refused = node.refused_milena(&["-X", "listeners=PLAINTEXT://127.0.0.1:0"])?;
    ensure!(
        refused.contains("is in use by another process"),
        "{refused}"
    );
    node.kill()?;
    let before = files(&node.path("data"))?;

    let refused = node.refused_milena(&[])?;
    ensure!(refused.contains("did not stop in order"), "{refused}");
    ensure!(
        files(&node.path("data"))? == before,
        "a refused start changed something"
    );

    node.start_milena(&["--import"])?;
    equal(&by_kafka, &node.driver(&["state"])?)?;
    node.stop()?;

    // What was taken over once is not refused any more.
    node.start_milena(&[])?;
    equal(&by_kafka, &node.driver(&["state"])?)?;
    node.stop()
}

#[test]
fn several_directories_and_a_dynamic_quorum_are_served() -> Result<()> {
    let settings = [
        "log.dirs=DIR/data,DIR/second",
        "metadata.log.dir=DIR/metadata",
    ];
    let Some(mut node) = Node::format(&settings, true)? else {
        return Ok(());
    };
    node.start_kafka()?;
    node.driver(&["few"])?;
    let by_kafka = node.driver(&["state"])?;
    for directory in ["data", "second"] {
        let path = node.path(directory).display().to_string();
        let is_here = |line: &&String| line.starts_with("replica") && line.contains(&path);
        ensure!(
            by_kafka.iter().any(|line| is_here(&line)),
            "{directory} is empty"
        );
    }
    node.stop()?;
    let metadata = files(&node.path("metadata/__cluster_metadata-0"))?;

    // Without its metadata every partition would be a stray one.
    let elsewhere = format!("metadata.log.dir={}", node.path("data").display());
    let refused = node.refused_milena(&["-X", &elsewhere])?;
    ensure!(
        refused.contains("has partitions, but there is no metadata log"),
        "{refused}"
    );

    node.start_milena(&[])?;
    equal(&by_kafka, &node.driver(&["state"])?)?;
    node.stop()?;
    ensure!(
        files(&node.path("metadata/__cluster_metadata-0"))? == metadata,
        "Kafka's metadata log changed"
    );
    ensure!(
        node.path("metadata").join(METADATA).exists(),
        "the log is with Kafka's"
    );

    // Beside Kafka's log, in a directory without partitions, the folder is in nobody's way.
    node.start_kafka()?;
    equal(&by_kafka, &node.driver(&["state"])?)?;
    node.stop()?;

    let refused = node.refused_milena(&[])?;
    ensure!(
        refused.contains("Apache Kafka ran on it after it was taken over"),
        "{refused}"
    );
    node.start_milena(&["--import"])?;
    equal(&by_kafka, &node.driver(&["state"])?)?;
    node.stop()
}
