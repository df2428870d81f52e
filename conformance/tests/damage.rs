//! What disks do to files, met by a starting broker: what is intact is served, what is not is said,
//! nothing is skipped in silence, and `milena log repair` reopens what was given up.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetFetchRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_conformance::broker::{self, Broker};
use milena_conformance::partition::{Fetch, Partition, batch, batches, sequenced};
use milena_conformance::wire::Connection;
use milena_protocol::{ProducerEpoch, Sequence};

const STORAGE_ERROR: i16 = 56;
const NOT_COORDINATOR: i16 = 16;
/// Records of the log under test, one per batch.
const RECORDS: i64 = 250;
/// Size of the value of each. With it, each batch has an entry in the index.
const VALUE_BYTES: usize = 10_000;
/// Nothing is checkpointed by itself, and nothing cleaned up while a test looks.
const SETTINGS: &[&str] = &[
    "log.segment.bytes=1048576",
    "log.flush.offset.checkpoint.interval.ms=3600000",
    "log.retention.check.interval.ms=3600000",
    "log.cleaner.enable=false",
];

/// A broker with one log of several segments, whose files are changed while it is down.
#[derive(Debug)]
struct Bench {
    broker: Broker,
    partition: Partition,
    folder: PathBuf,
}

impl Bench {
    fn new() -> Result<Self> {
        let broker = Broker::start(SETTINGS)?;
        let mut partition = Partition::create(&broker, &[])?;
        let id = partition.producer_id()?;
        for number in 0..RECORDS {
            let value = [u8::try_from(number % 251)?; VALUE_BYTES];
            let sequence = Sequence(i32::try_from(number)?);
            let answer =
                partition.produce(sequenced(&[&value], id, ProducerEpoch(0), sequence)?)?;
            assert_eq!((answer.error_code, answer.base_offset), (0, number));
        }
        let folder = broker.data()?.join(format!("{}-0", partition.topic()));
        Ok(Self {
            broker,
            partition,
            folder,
        })
    }

    /// Base offsets of the segments.
    fn segments(&self) -> Result<Vec<i64>> {
        let mut bases: Vec<i64> = fs::read_dir(&self.folder)?
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                name.strip_suffix(".log")?.parse().ok()
            })
            .collect();
        bases.sort_unstable();
        ensure!(bases.len() > 2, "segments {bases:?}");
        Ok(bases)
    }

    fn file(&self, base: i64, suffix: &str) -> PathBuf {
        self.folder.join(format!("{base:020}.{suffix}"))
    }

    fn restart(&mut self) -> Result<()> {
        self.broker.restart()?;
        self.partition = self.partition.reconnect(&self.broker)?;
        Ok(())
    }

    /// Everything of `[0, end)` but `[lost.0, lost.1)` is served as it was written, and reading
    /// within the lost range is an error.
    fn check(&mut self, end: i64, lost: Option<(i64, i64)>) -> Result<()> {
        assert_eq!(self.partition.end()?, end, "end of the log");
        let mut next = 0;
        while next < end {
            let read = self.partition.fetch_one(Fetch::at(next))?;
            if let Some((first, behind)) = lost
                && (first..behind).contains(&next)
            {
                assert_eq!(read.error_code, STORAGE_ERROR, "at {next}, which is lost");
                next += 1;
                continue;
            }
            assert_eq!(read.error_code, 0, "at {next}");
            let found = batches(&read.records.context("records")?)?;
            ensure!(
                !found.is_empty(),
                "nothing at {next}, the log ends at {end}"
            );
            for (first, last) in found {
                assert_eq!((first, last), (next, next), "a batch that does not follow");
                next += 1;
            }
        }
        Ok(())
    }

    fn appends(&mut self, offset: i64) -> Result<()> {
        let answer = self.partition.produce(batch(&[b"more"])?)?;
        assert_eq!((answer.error_code, answer.base_offset), (0, offset));
        Ok(())
    }

    /// Reading goes on, writing does not, and health tells.
    fn check_damaged(&mut self, lost: (i64, i64)) -> Result<()> {
        self.check(RECORDS, Some(lost))?;
        assert_eq!(
            self.partition.produce(batch(&[b"no"])?)?.error_code,
            STORAGE_ERROR
        );
        let (status, body) = self.broker.health()?;
        let wanted = format!("log of {}-0 is damaged", self.partition.topic());
        ensure!(
            status == 503 && body.contains(&wanted),
            "health is {status} {body}"
        );
        Ok(())
    }

    /// Gives up what is lost; the range is printed, and the log is written again.
    fn repair(&mut self, lost: (i64, i64)) -> Result<()> {
        let name = format!("{}-0", self.partition.topic());
        self.broker.stop()?;
        let data = self.broker.data()?;
        let run = |arguments: &[&str]| -> Result<(bool, String)> {
            let mut milena = broker::milena()?;
            milena
                .args(["log", "repair"])
                .arg(&data)
                .arg(&name)
                .args(arguments);
            let output = milena.output().context("run milena log repair")?;
            Ok((
                output.status.success(),
                String::from_utf8_lossy(&output.stdout).into_owned(),
            ))
        };
        let range = format!("lost: offsets {} to {}", lost.0, lost.1 - 1);
        let (is_done, said) = run(&[])?;
        ensure!(!is_done && said.contains(&range), "without consent: {said}");
        let (is_done, said) = run(&["--accept-loss"])?;
        ensure!(is_done && said.contains(&range), "with consent: {said}");
        self.restart()?;
        let (status, body) = self.broker.health()?;
        ensure!(status == 200, "health is {status} {body}");
        // The offsets stay unused: a reader is led over them.
        let read = self.partition.fetch_one(Fetch::at(lost.0))?;
        assert_eq!(read.error_code, 0);
        if lost.1 < RECORDS {
            let found = batches(&read.records.context("records")?)?;
            assert_eq!(found.first(), Some(&(lost.1, lost.1)));
        }
        self.appends(RECORDS)
    }
}

fn open(path: &Path) -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .with_context(|| path.display().to_string())
}

/// Position of the batch at `offset` in the segment with this base offset.
fn position(path: &Path, base: i64, offset: i64) -> Result<u64> {
    let bytes = fs::read(path)?;
    let mut at = 0;
    for _ in base..offset {
        let length = bytes.get(at + 8..at + 12).context("a batch")?.try_into()?;
        at += 12 + usize::try_from(u32::from_be_bytes(length))?;
    }
    Ok(u64::try_from(at)?)
}

fn flip(path: &Path, at: u64) -> Result<()> {
    let file = open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 0x10], at)?;
    Ok(())
}

// The end of the log

/// Kills the broker, has the last segment changed, and starts it: the log ends at `end`, is not
/// damaged, and takes records.
fn check_tail(change: impl FnOnce(&File, u64) -> Result<()>, end: i64) -> Result<()> {
    let mut bench = Bench::new()?;
    bench.broker.kill()?;
    let base = *bench.segments()?.last().context("a segment")?;
    let file = open(&bench.file(base, "log"))?;
    let size = file.metadata()?.len();
    change(&file, size)?;
    drop(file);
    bench.restart()?;
    bench.check(end, None)?;
    bench.appends(end)?;
    assert_eq!(bench.broker.health()?.0, 200);
    Ok(())
}

#[test]
fn torn_tail_is_cut_off() -> Result<()> {
    check_tail(|file, size| Ok(file.set_len(size - 100)?), RECORDS - 1)
}

#[test]
fn noise_behind_the_end_is_cut_off() -> Result<()> {
    check_tail(
        |file, size| Ok(file.write_all_at(&[0xa5; 3000], size)?),
        RECORDS,
    )
}

#[test]
fn zeroes_behind_the_end_are_cut_off() -> Result<()> {
    // More than the interval of the index, and than one read of a scan.
    check_tail(|file, size| Ok(file.set_len(size + (600 << 10))?), RECORDS)
}

#[test]
fn zeroed_tail_is_cut_off() -> Result<()> {
    // The file has its size, the last five batches never reached the disk.
    let batch_bytes = u64::try_from(VALUE_BYTES)? + 61 + 11;
    let change = move |file: &File, size: u64| {
        let from = size - 5 * batch_bytes;
        let zeroes = vec![0; usize::try_from(5 * batch_bytes)?];
        Ok(file.write_all_at(&zeroes, from)?)
    };
    check_tail(change, RECORDS - 5)
}

#[test]
fn zeroed_batch_that_is_larger_than_the_index_interval_is_cut_off() -> Result<()> {
    let mut bench = Bench::new()?;
    let answer = bench.partition.produce(batch(&[&[7; 300_000]])?)?;
    assert_eq!((answer.error_code, answer.base_offset), (0, RECORDS));
    bench.broker.kill()?;
    let base = *bench.segments()?.last().context("a segment")?;
    let file = open(&bench.file(base, "log"))?;
    let size = file.metadata()?.len();
    // All but its first sectors.
    let from = size - 290_000;
    file.write_all_at(&vec![0; 290_000], from)?;
    bench.restart()?;
    bench.check(RECORDS, None)?;
    bench.appends(RECORDS)
}

// Below the recovery point

#[test]
fn flipped_bit_in_a_closed_segment_is_damage_until_it_is_given_up() -> Result<()> {
    let mut bench = Bench::new()?;
    bench.broker.kill()?;
    let base = bench.segments()?[1];
    let lost = base + 50;
    let path = bench.file(base, "log");
    flip(&path, position(&path, base, lost)? + 500)?;
    bench.restart()?;
    bench.check_damaged((lost, lost + 1))?;
    // It is known again after a clean stop, and after another crash.
    bench.broker.stop()?;
    bench.restart()?;
    bench.check_damaged((lost, lost + 1))?;
    bench.broker.kill()?;
    bench.restart()?;
    bench.check_damaged((lost, lost + 1))?;
    bench.repair((lost, lost + 1))
}

#[test]
fn damaged_header_found_by_a_read_is_an_error() -> Result<()> {
    let mut bench = Bench::new()?;
    bench.broker.stop()?;
    let base = bench.segments()?[1];
    let lost = base + 50;
    let path = bench.file(base, "log");
    // The length of the batch. A clean log is not checked when it is opened.
    let at = position(&path, base, lost)? + 8;
    open(&path)?.write_all_at(&[0x7f, 0xff], at)?;
    bench.restart()?;
    let read = bench.partition.fetch_one(Fetch::at(lost))?;
    assert_eq!(read.error_code, STORAGE_ERROR);
    // What is before it is served.
    let read = bench.partition.fetch_one(Fetch::at(lost - 1))?;
    let found = batches(&read.records.context("records")?)?;
    assert_eq!(
        (read.error_code, found.first()),
        (0, Some(&(lost - 1, lost - 1)))
    );
    Ok(())
}

#[test]
fn truncated_closed_segment_is_damage_until_it_is_given_up() -> Result<()> {
    let mut bench = Bench::new()?;
    // A clean stop records that everything is durable; the marker is then gone.
    bench.broker.stop()?;
    fs::remove_file(bench.broker.data()?.join(".kafka_cleanshutdown"))?;
    fs::remove_file(
        bench
            .broker
            .data()?
            .join("recovery-point-offset-checkpoint"),
    )?;
    let segments = bench.segments()?;
    let (base, next) = (segments[1], segments[2]);
    let lost = next - 3;
    let path = bench.file(base, "log");
    // In the middle of nothing: whole batches are missing at the end.
    open(&path)?.set_len(position(&path, base, lost)?)?;
    bench.restart()?;
    if bench.broker.health()?.0 == 503 {
        bench.check_damaged((lost, next))?;
        bench.repair((lost, next))?;
    } else {
        // Compaction leaves such gaps too: a reader is led over it.
        let read = bench.partition.fetch_one(Fetch::at(lost))?;
        assert_eq!(read.error_code, 0);
    }
    Ok(())
}

#[test]
fn lost_indexes_and_snapshots_are_made_anew() -> Result<()> {
    for is_clean in [true, false] {
        let mut bench = Bench::new()?;
        if is_clean {
            bench.broker.stop()?;
        } else {
            bench.broker.kill()?;
        }
        let segments = bench.segments()?;
        for entry in fs::read_dir(&bench.folder)? {
            let path = entry?.path();
            let suffix = path.extension().and_then(|suffix| suffix.to_str());
            if matches!(suffix, Some("index" | "timeindex" | "snapshot")) {
                fs::remove_file(path)?;
            }
        }
        fs::remove_file(bench.folder.join("leader-epoch-checkpoint"))?;
        bench.restart()?;
        bench.check(RECORDS, None)?;
        ensure!(
            bench.file(segments[0], "index").exists(),
            "no index was made"
        );
        assert_eq!(bench.broker.health()?.0, 200);
        bench.appends(RECORDS)?;
    }
    Ok(())
}

#[test]
fn damaged_indexes_do_not_mislead() -> Result<()> {
    let mut bench = Bench::new()?;
    bench.broker.stop()?;
    let segments = bench.segments()?;
    for (number, &base) in segments.iter().enumerate() {
        let path = bench.file(
            base,
            if number % 2 == 0 {
                "index"
            } else {
                "timeindex"
            },
        );
        let size = fs::metadata(&path)?.len();
        open(&path)?.write_all_at(&vec![0x5a; usize::try_from(size)?], 0)?;
    }
    bench.restart()?;
    bench.check(RECORDS, None)?;
    bench.appends(RECORDS)
}

// Checkpoints

#[test]
fn damaged_checkpoints_are_said_and_cost_nothing() -> Result<()> {
    for text in ["garbage\n", "0\n1\nx\n", "", "\u{0}\u{0}\u{0}"] {
        for is_clean in [true, false] {
            let mut bench = Bench::new()?;
            if is_clean {
                bench.broker.stop()?;
            } else {
                bench.broker.kill()?;
            }
            let data = bench.broker.data()?;
            for name in [
                "recovery-point-offset",
                "log-start-offset",
                "replication-offset",
            ] {
                fs::write(data.join(format!("{name}-checkpoint")), text)?;
            }
            bench.restart()?;
            bench.check(RECORDS, None)?;
            bench.appends(RECORDS)?;
            if text == "garbage\n" {
                let said = bench.broker.log()?;
                for name in [
                    "recovery-point-offset",
                    "log-start-offset",
                    "replication-offset",
                ] {
                    let wanted = format!("{name}-checkpoint, line 1");
                    ensure!(said.contains(&wanted), "nothing was said of {name}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn wrong_offsets_in_checkpoints_cost_nothing() -> Result<()> {
    let mut bench = Bench::new()?;
    let topic = bench.partition.topic().to_owned();
    for is_clean in [true, false] {
        if is_clean {
            bench.broker.stop()?;
        } else {
            bench.broker.kill()?;
        }
        let data = bench.broker.data()?;
        for (name, offset) in [("log-start-offset", 200), ("replication-offset", 99_999)] {
            let path = data.join(format!("{name}-checkpoint"));
            fs::write(path, format!("0\n1\n{topic} 0 {offset}\n"))?;
            // As if it had been written and then changed on the disk.
            let seal = data.join(format!("{name}-checkpoint.crc32c"));
            fs::write(seal, "00000000 10\n")?;
        }
        bench.restart()?;
        assert_eq!(
            bench.partition.list_offsets(-2)?,
            (0, 0),
            "start of the log"
        );
        bench.check(RECORDS, None)?;
    }
    Ok(())
}

#[test]
fn unreadable_topic_id_is_written_anew() -> Result<()> {
    let mut bench = Bench::new()?;
    bench.broker.stop()?;
    let path = bench.folder.join("partition.metadata");
    let before = fs::read_to_string(&path)?;
    fs::write(&path, "nothing\n")?;
    bench.restart()?;
    bench.check(RECORDS, None)?;
    assert_eq!(fs::read_to_string(&path)?.trim(), before.trim());
    Ok(())
}

// Groups

fn group(name: &str) -> GroupId {
    GroupId(StrBytes::from_string(name.to_owned()))
}

fn commit(connection: &mut Connection, name: &str, topic: &str, offset: i64) -> Result<i16> {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_leader_epoch(-1)
        .with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    for _ in 0..100_000 {
        let code = connection.call(8, &request)?.topics[0].partitions[0].error_code;
        if code != 14 {
            return Ok(code);
        }
    }
    anyhow::bail!("the coordinator is loading for ever")
}

fn committed(connection: &mut Connection, name: &str, topic: &str) -> Result<(i16, i64)> {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group(name))
        .with_topics(Some(vec![topic]));
    for _ in 0..100_000 {
        let answer = connection.call(7, &request)?;
        if answer.error_code == 0 {
            return Ok((0, answer.topics[0].partitions[0].committed_offset));
        }
        if answer.error_code != 14 {
            return Ok((answer.error_code, -1));
        }
    }
    anyhow::bail!("the coordinator is loading for ever")
}

#[test]
fn damage_of_one_offsets_partition_takes_only_its_groups_down() -> Result<()> {
    let mut broker = Broker::start(SETTINGS)?;
    let partition = Partition::create(&broker, &[])?;
    let topic = partition.topic().to_owned();
    let mut connection = Connection::open(broker.address())?;
    let key = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("g0"));
    connection.call(3, &key)?;
    let names: Vec<String> = (0..20).map(|number| format!("g{number}")).collect();
    for round in 0..5 {
        for name in &names {
            let mut code = NOT_COORDINATOR;
            while code == NOT_COORDINATOR {
                code = commit(&mut connection, name, &topic, round)?;
            }
            assert_eq!(code, 0, "{name}");
        }
    }
    broker.kill()?;
    // The first partition that has records: a flipped bit within its first batch.
    let damaged = (0..5)
        .map(|index| {
            broker
                .data()
                .map(|data| data.join(format!("__consumer_offsets-{index}")))
        })
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .map(|folder| folder.join(format!("{:020}.log", 0)))
        .find(|path| path.exists())
        .context("no partition has records")?;
    flip(&damaged, 80)?;
    broker.restart()?;
    let mut connection = Connection::open(broker.address())?;
    let (mut up, mut down) = (0, 0);
    for name in &names {
        match committed(&mut connection, name, &topic)? {
            (0, 4) => {
                assert_eq!(commit(&mut connection, name, &topic, 5)?, 0);
                up += 1;
            }
            (0, offset) => anyhow::bail!("{name} lost its offset: {offset}"),
            (code, _) => {
                assert!(matches!(code, 15 | NOT_COORDINATOR), "{name}: {code}");
                down += 1;
            }
        }
    }
    ensure!(up > 0 && down > 0, "{up} groups are served, {down} are not");
    let (status, body) = broker.health()?;
    ensure!(
        status == 503 && body.contains("__consumer_offsets-"),
        "health is {status} {body}"
    );
    Ok(())
}

// The tool

#[test]
fn dump_reads_every_file_of_a_log() -> Result<()> {
    let mut bench = Bench::new()?;
    bench.broker.stop()?;
    let mut files: Vec<PathBuf> = fs::read_dir(&bench.folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    let mut milena = broker::milena()?;
    milena
        .args(["log", "dump", "--deep-iteration"])
        .args(&files);
    let output = milena.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        said.contains(&format!("lastOffset: {}", RECORDS - 1)),
        "the last batch is missing"
    );
    Ok(())
}
