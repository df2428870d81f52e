//! Kill -9 (and now and then SIGTERM) at random moments, under load and in starts, and what must be there after the
//! restart: everything acknowledged, once, in order, where it was said to be; nothing that a
//! consumer saw is gone; committed offsets of groups stand.
//!
//! `MILENA_CRASH_ROUNDS` sets the number of rounds, `MILENA_CRASH_SEED` repeats a run's choices (the
//! timing of the processes stays their own).

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use milena_conformance::broker::{self, Broker};
use milena_conformance::partition::{Fetch, PRODUCE, Partition, sequenced};
use milena_conformance::wire::Connection;
use milena_protocol::batch::{BatchHeader, Records};
use milena_protocol::{ProducerEpoch, ProducerId, Sequence};

/// Rounds of one run in CI.
const ROUNDS: u64 = 10;
/// Batches of one producer that wait for their acknowledgement at once.
const IN_FLIGHT: usize = 4;
/// `NOT_LEADER_OR_FOLLOWER`: the broker stops.
const STOPPING: i16 = 6;
/// What the broker logs at the end of its start.
const SERVES: &str = "broker serves";
/// The group that commits.
const GROUP: &str = "group";
/// Settings under which much happens: short segments, several checkpoints in a run.
const SETTINGS: &[&str] = &[
    "log.segment.bytes=1048576",
    "log.flush.offset.checkpoint.interval.ms=1000",
    "log.retention.check.interval.ms=60000",
];

/// A generator (SplitMix64) that repeats with its seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// One record as it was read: who wrote it, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    producer: usize,
    number: u64,
}

impl Written {
    fn value(self, size: usize) -> Vec<u8> {
        let mut value = format!("{} {} ", self.producer, self.number).into_bytes();
        value.resize(size.max(value.len()), b'x');
        value
    }

    fn parse(value: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(value)?;
        let mut fields = text.split(' ');
        let mut field = || {
            fields
                .next()
                .context("a field")
                .and_then(|f| Ok(f.parse()?))
        };
        let (producer, number): (u64, u64) = (field()?, field()?);
        Ok(Self {
            producer: usize::try_from(producer)?,
            number,
        })
    }
}

/// A batch that was sent.
#[derive(Clone, Debug)]
struct Batch {
    first: u64,
    count: u64,
    bytes: Vec<u8>,
}

/// A producer with its own partition share; it outlives the broker's processes.
#[derive(Debug)]
struct Producer {
    index: usize,
    id: Option<ProducerId>,
    acks: i16,
    next: u64,
    in_flight: Vec<Batch>,
    /// First number and offset of acknowledged batches, with their sizes.
    acknowledged: Vec<(u64, u64, i64)>,
    /// The newest acknowledged batch.
    last: Option<(Batch, i64)>,
    random: Random,
}

impl Producer {
    fn make(&mut self) -> Result<Batch> {
        let count = 1 + self.random.below(4);
        let size = usize::try_from(20 + self.random.below(6000))?;
        let values: Vec<Vec<u8>> = (self.next..self.next + count)
            .map(|number| {
                Written {
                    producer: self.index,
                    number,
                }
                .value(size)
            })
            .collect();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let (id, epoch, sequence) = match self.id {
            Some(id) => (id, ProducerEpoch(0), Sequence(i32::try_from(self.next)?)),
            None => (ProducerId::NONE, ProducerEpoch::NONE, Sequence::NONE),
        };
        let batch = Batch {
            first: self.next,
            count,
            bytes: sequenced(&values, id, epoch, sequence)?,
        };
        self.next += count;
        Ok(batch)
    }

    /// Sends again what was in flight, or gives it up where nobody could tell a repetition.
    fn resume(&mut self, partition: &mut Partition) -> Result<()> {
        if self.id.is_none() {
            self.in_flight.clear();
            return Ok(());
        }
        if let Some((batch, offset)) = self.last.clone()
            && let Some(again) = self.send_again(partition, &batch)?
        {
            ensure!(
                again == offset,
                "producer {}: batch {} was acknowledged at {offset}, its repetition at {again}",
                self.index,
                batch.first
            );
        }
        while let Some(batch) = self.in_flight.first().cloned() {
            // The broker may have ended again.
            let Some(offset) = self.send_again(partition, &batch)? else {
                return Ok(());
            };
            self.in_flight.remove(0);
            self.note(batch, offset);
        }
        Ok(())
    }

    /// The offset of a batch that may be there already; none where there is no answer.
    fn send_again(&self, partition: &mut Partition, batch: &Batch) -> Result<Option<i64>> {
        let request = partition.produce_request(self.acks, 0, batch.bytes.clone());
        let Ok(answer) = partition.connection.call(PRODUCE, &request) else {
            return Ok(None);
        };
        let answer = &answer.responses[0].partition_responses[0];
        match answer.error_code {
            0 => Ok(Some(answer.base_offset)),
            STOPPING => Ok(None),
            code => bail!(
                "producer {}: batch {} got error {code} again",
                self.index,
                batch.first
            ),
        }
    }

    fn note(&mut self, batch: Batch, offset: i64) {
        self.acknowledged.push((batch.first, batch.count, offset));
        self.last = Some((batch, offset));
    }

    /// Produces until the connection ends.
    fn run(&mut self, partition: &mut Partition, told: &Sender<()>) -> Result<()> {
        self.resume(partition)?;
        if !self.in_flight.is_empty() {
            return Ok(());
        }
        let mut ids = Vec::new();
        loop {
            while self.in_flight.len() < IN_FLIGHT {
                let batch = self.make()?;
                let request = partition.produce_request(self.acks, 0, batch.bytes.clone());
                self.in_flight.push(batch);
                match partition.connection.send(PRODUCE, &request) {
                    Ok(id) => ids.push(id),
                    Err(_) => return Ok(()),
                }
            }
            let id = ids.remove(0);
            let Ok(answer) = partition.connection.receive::<ProduceRequest>(PRODUCE, id) else {
                return Ok(());
            };
            let answer = &answer.responses[0].partition_responses[0];
            match answer.error_code {
                0 => {}
                // What was appended is not known.
                STOPPING => return Ok(()),
                code => bail!("producer {} was answered with error {code}", self.index),
            }
            let batch = self.in_flight.remove(0);
            self.note(batch, answer.base_offset);
            // The end of the round is nobody's loss.
            let _ = told.send(());
        }
    }
}

/// Everything in a partition up to its high watermark: records by offset.
#[derive(Debug, Default)]
struct Content {
    records: BTreeMap<i64, Written>,
    end: i64,
}

impl Content {
    /// Takes over fetched bytes. Batches must follow each other without a gap.
    fn add(&mut self, mut bytes: Bytes) -> Result<()> {
        while let Ok((header, _)) = BatchHeader::parse_whole(&bytes) {
            let batch = bytes.split_to(header.size_bytes);
            header.check_crc(&batch)?;
            let next = header.last_offset().0 + 1;
            if next <= self.end {
                continue;
            }
            ensure!(
                header.base_offset.0 == self.end,
                "a batch at {} where {} is expected",
                header.base_offset.0,
                self.end
            );
            for record in &Records::open(&header, &batch, 1 << 20)? {
                let record = record?;
                let value = record.value.context("a value")?;
                self.records
                    .insert(record.offset(&header).0, Written::parse(value)?);
            }
            self.end = next;
        }
        Ok(())
    }

    /// Reads on until the end of the log.
    fn read_all(&mut self, partition: &mut Partition) -> Result<()> {
        let end = partition.end()?;
        while self.end < end {
            let before = self.end;
            let read = partition.fetch_one(Fetch::at(self.end))?;
            ensure!(
                read.error_code == 0,
                "fetch at {before}: error {}",
                read.error_code
            );
            self.add(read.records.context("records")?)?;
            ensure!(
                self.end > before,
                "no record at {before}, the log ends at {end}"
            );
        }
        Ok(())
    }
}

/// Reads until the connection ends: what a consumer saw.
fn consume(mut partition: Partition, from: i64) -> Result<Content> {
    let mut seen = Content {
        end: from,
        ..Content::default()
    };
    loop {
        let fetch = Fetch {
            max_wait_ms: 500,
            ..Fetch::at(seen.end)
        };
        let Ok(read) = partition.fetch_one(fetch) else {
            return Ok(seen);
        };
        match read.error_code {
            0 => seen.add(read.records.unwrap_or_default())?,
            STOPPING => return Ok(seen),
            code => bail!("the consumer got error {code} at {}", seen.end),
        }
    }
}

/// Commits ever higher offsets until the connection ends; the last one acknowledged, and the last
/// one sent.
fn commit(address: SocketAddr, topic: &str, from: i64) -> Result<(i64, i64)> {
    let mut connection = Connection::open(address)?;
    let (mut acknowledged, mut sent) = (from, from);
    loop {
        let rows = OffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_leader_epoch(-1)
            .with_committed_offset(sent + 1);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partitions(vec![rows]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_static_str(GROUP)))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        sent += 1;
        let Ok(answer) = connection.call(8, &request) else {
            return Ok((acknowledged, sent));
        };
        match answer.topics[0].partitions[0].error_code {
            0 => acknowledged = sent,
            // Loading, or stopping: the same offset once more.
            14..=16 => sent -= 1,
            code => bail!("commit was answered with error {code}"),
        }
    }
}

fn committed(connection: &mut Connection, topic: &str) -> Result<i64> {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str(GROUP)))
        .with_topics(Some(vec![topic]));
    for _ in 0..100_000 {
        let answer = connection.call(7, &request)?;
        match answer.error_code {
            0 => return Ok(answer.topics[0].partitions[0].committed_offset),
            14..=16 => {}
            code => bail!("offsets were answered with error {code}"),
        }
    }
    bail!("the coordinator does not serve")
}

/// One topic with its producers and what was read of it.
#[derive(Debug)]
struct Subject {
    partition: Partition,
    producers: Vec<Producer>,
    content: Content,
}

impl Subject {
    /// Everything acknowledged is there, once, in order, where it was said to be.
    fn check(&mut self, broker: &Broker, seen: &Content) -> Result<()> {
        let mut partition = self.partition.reconnect(broker)?;
        // From the start, and not only what is new: nothing old may have gone.
        let mut content = Content::default();
        content.read_all(&mut partition)?;
        for (offset, record) in self.content.records.iter().chain(&seen.records) {
            ensure!(
                content.records.get(offset) == Some(record),
                "a consumer saw {record:?} at {offset}, where {:?} is now",
                content.records.get(offset)
            );
        }
        for producer in &self.producers {
            for &(first, count, offset) in &producer.acknowledged {
                for step in 0..count {
                    let wanted = Written {
                        producer: producer.index,
                        number: first + step,
                    };
                    let at = offset + i64::try_from(step)?;
                    ensure!(
                        content.records.get(&at) == Some(&wanted),
                        "{wanted:?} was acknowledged at {at}, where {:?} is now",
                        content.records.get(&at)
                    );
                }
            }
            let mut last = None;
            let own = content
                .records
                .values()
                .filter(|record| record.producer == producer.index);
            for record in own {
                ensure!(
                    last < Some(record.number),
                    "{record:?} comes after {last:?}"
                );
                let follows = last.map_or(0, |last| last + 1) == record.number;
                ensure!(
                    producer.id.is_none() || follows,
                    "{record:?} follows {last:?}"
                );
                last = Some(record.number);
            }
        }
        self.content = content;
        Ok(())
    }
}

fn subjects(broker: &Broker, random: &mut Random) -> Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    // Each topic: who is idempotent, and the acks of each producer.
    let plan: [&[(bool, i16)]; 3] = [
        &[(true, -1), (true, -1), (false, -1)],
        &[(true, 1), (false, 1)],
        &[(true, -1), (false, -1)],
    ];
    for of_one in plan {
        let mut partition = Partition::create(broker, &[])?;
        let mut producers = Vec::new();
        for (index, &(is_idempotent, acks)) in of_one.iter().enumerate() {
            producers.push(Producer {
                index,
                id: if is_idempotent {
                    Some(partition.producer_id()?)
                } else {
                    None
                },
                acks,
                next: 0,
                in_flight: Vec::new(),
                acknowledged: Vec::new(),
                last: None,
                random: Random(random.next()),
            });
        }
        subjects.push(Subject {
            partition,
            producers,
            content: Content::default(),
        });
    }
    Ok(subjects)
}

/// Loads the broker until `acknowledgements` have come, ends it, and returns what the consumers saw
/// and how far the group came.
fn load(
    broker: &mut Broker,
    subjects: &mut [Subject],
    (acknowledgements, is_killed, offset): (u64, bool, i64),
) -> Result<(Vec<Content>, (i64, i64))> {
    let address = broker.address();
    let topic = subjects[0].partition.topic().to_owned();
    let mut partitions = Vec::new();
    for subject in &*subjects {
        let mut row = Vec::new();
        for _ in 0..=subject.producers.len() {
            row.push(subject.partition.reconnect(broker)?);
        }
        partitions.push(row);
    }
    let (told, ticks): (Sender<()>, Receiver<()>) = mpsc::channel();
    let has_failed = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut consumers = Vec::new();
        let mut producers = Vec::new();
        for (subject, mut row) in subjects.iter_mut().zip(partitions) {
            let reader = row.pop().context("a connection")?;
            let from = subject.content.end;
            consumers.push(scope.spawn(move || consume(reader, from)));
            for (producer, mut partition) in subject.producers.iter_mut().zip(row) {
                let (told, has_failed) = (told.clone(), &has_failed);
                producers.push(scope.spawn(move || {
                    let outcome = producer.run(&mut partition, &told);
                    has_failed.fetch_or(outcome.is_err(), Ordering::AcqRel);
                    outcome
                }));
            }
        }
        drop(told);
        let committer = scope.spawn(move || commit(address, &topic, offset));
        for _ in 0..acknowledgements {
            // All producers have ended only where something is wrong; they say what.
            if ticks.recv().is_err() || has_failed.load(Ordering::Acquire) {
                break;
            }
        }
        if is_killed {
            broker.kill()?;
        } else {
            let status = broker.stop()?;
            ensure!(status.success(), "SIGTERM ended the broker with {status}");
        }
        for producer in producers {
            producer
                .join()
                .map_err(|_| anyhow::anyhow!("a producer panicked"))??;
        }
        let mut seen = Vec::new();
        for consumer in consumers {
            seen.push(
                consumer
                    .join()
                    .map_err(|_| anyhow::anyhow!("a consumer panicked"))??,
            );
        }
        let committed = committer
            .join()
            .map_err(|_| anyhow::anyhow!("the committer panicked"))??;
        Ok((seen, committed))
    })
}

/// Starts the broker and kills it somewhere on its way, after so many lines of its log, at the
/// latest when it serves.
fn start_in_vain(broker: &Broker, lines: u64) -> Result<()> {
    let mut command = broker::milena()?;
    command
        .arg("dev")
        .arg("--data")
        .arg(broker.data()?)
        .args(["--port", "0", "--admin-port", "0"])
        .env("MILENA_LOG", "debug")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    for setting in SETTINGS {
        command.args(["-X", setting]);
    }
    let mut process = command.spawn().context("start the broker in vain")?;
    let log = BufReader::new(process.stderr.take().context("a log")?);
    for line in log.lines().take(usize::try_from(lines)?) {
        let line = line?;
        ensure!(!line.contains("ERROR"), "{line}");
        // Nothing more need come of a broker without clients.
        if line.contains(SERVES) {
            break;
        }
    }
    process.kill()?;
    process.wait()?;
    Ok(())
}

#[test]
fn acknowledged_records_and_offsets_survive_kill_9() -> Result<()> {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds = number("MILENA_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("MILENA_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("MILENA_CRASH_SEED={seed}");
    let mut random = Random(seed);
    let mut broker = Broker::start(SETTINGS)?;
    let mut connection = Connection::open(broker.address())?;
    let find = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str(GROUP));
    connection.call(3, &find)?;
    let mut subjects = subjects(&broker, &mut random)?;
    // Nothing is committed.
    let mut offset = -1;
    for round in 0..rounds {
        let is_killed = round % 4 != 3;
        let acknowledgements = 1 + random.below(400);
        let plan = (acknowledgements, is_killed, offset);
        let outcome = load(&mut broker, &mut subjects, plan);
        let (seen, (acknowledged, sent)) =
            outcome.with_context(|| format!("round {round}, seed {seed}"))?;
        if is_killed {
            for _ in 0..random.below(3) {
                let lines = 1 + random.below(60);
                let started = start_in_vain(&broker, lines);
                started.with_context(|| format!("round {round}, seed {seed}"))?;
            }
        }
        broker.restart()?;
        for (subject, seen) in subjects.iter_mut().zip(&seen) {
            let topic = subject.partition.topic().to_owned();
            let checked = subject.check(&broker, seen);
            checked.with_context(|| format!("round {round}, seed {seed}, {topic}"))?;
        }
        let mut connection = Connection::open(broker.address())?;
        offset = committed(&mut connection, subjects[0].partition.topic())?;
        ensure!(
            offset >= acknowledged && offset <= sent,
            "round {round}, seed {seed}: offset {offset} is committed, {acknowledged} was \
             acknowledged, {sent} sent"
        );
    }
    let records: usize = subjects
        .iter()
        .map(|subject| subject.content.records.len())
        .sum();
    eprintln!("{rounds} rounds, {records} records, offset {offset}");
    ensure!(
        !broker.log()?.contains("is damaged"),
        "a crash was taken for damage"
    );
    Ok(())
}
