//! Compaction under random transactions of several producers.

use super::crash::{last, push, visible};
use super::*;
use crate::handle::Handles;
use crate::validate::ValidBatch;
use crate::{Log, OpenState, Partition};

#[derive(Clone, Debug)]
enum Step {
    Plain { key: u8, value: u8 },
    InTxn { id: i64, key: u8, value: u8 },
    End { id: i64, commits: bool },
    Clean,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (key, id) = (0_u8..6, 1_i64..4);
    let value = any::<u8>;
    let step = prop_oneof![
        3 => (key.clone(), value()).prop_map(|(key, value)| Step::Plain { key, value }),
        6 => (id.clone(), key, value())
            .prop_map(|(id, key, value)| Step::InTxn { id, key, value }),
        4 => (id, any::<bool>()).prop_map(|(id, commits)| Step::End { id, commits }),
        1 => Just(Step::Clean),
    ];
    prop::collection::vec(step, 10..120)
}

type Record = (i64, Vec<u8>, Vec<u8>);

struct World {
    storage: Arc<dyn Storage>,
    log: Log,
    now: i64,
    last_clean: Option<Offset>,
    sequences: BTreeMap<i64, i32>,
    open: BTreeMap<i64, Vec<Record>>,
    committed: Vec<Record>,
}

impl World {
    fn new() -> Self {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        storage.create_directory(Path::new("/d")).unwrap();
        Self {
            log: open(&storage, Offset(0)),
            storage,
            now: 1_000_000,
            last_clean: None,
            sequences: BTreeMap::new(),
            open: BTreeMap::new(),
            committed: Vec::new(),
        }
    }

    fn data(&mut self, id: Option<i64>, key: u8, value: u8) {
        let offset = self.log.log_end().0;
        let mut builder = BatchBuilder::new(Compression::None, None);
        if let Some(id) = id {
            let sequence = self.sequences.entry(id).or_insert(0);
            let id = ProducerId(id);
            builder.set_producer(id, ProducerEpoch(0), Sequence(*sequence));
            builder.set_transactional();
            *sequence += 1;
        }
        let timestamp = Timestamp(self.now);
        builder
            .append(timestamp, Some(&[key]), Some(&[value]), [])
            .unwrap();
        let batch = bytes::BytesMut::from(&*builder.finish(Offset(0)));
        push(&mut self.log, ValidBatch::of_broker(batch).unwrap());
        let record = (offset, vec![key], vec![value]);
        match id {
            Some(id) => self.open.entry(id).or_default().push(record),
            None => self.committed.push(record),
        }
    }

    fn end(&mut self, id: i64, commits: bool) {
        let marker = Marker {
            producer_id: ProducerId(id),
            producer_epoch: ProducerEpoch(0),
            is_commit: commits,
            coordinator_epoch: 0,
            timestamp: Timestamp(self.now),
        };
        push(&mut self.log, ValidBatch::of_marker(&marker, 0));
        let records = self.open.remove(&id).unwrap_or_default();
        if commits {
            self.committed.extend(records);
            self.committed.sort();
        }
    }

    fn clean(&mut self) {
        self.log.sync().unwrap();
        self.log.set_high_watermark(self.log.log_end());
        let now = Timestamp(self.now);
        let candidate = consider_log(&self.log, self.last_clean, now).unwrap();
        let Some(candidate) = candidate.filter(|it| it.cleanable_bytes > 0) else {
            return;
        };
        let job = Job::of(&self.log, &candidate, now).unwrap();
        let mut go_on = |_| ControlFlow::Continue(());
        let storage = Arc::clone(&self.storage);
        let mut run = Run::start(storage, job, Settings::default(), &mut go_on).unwrap();
        while let Some(new) = run.next_group(&mut go_on).unwrap() {
            self.log
                .replace_segments(new.base_offset, &new.replaced)
                .unwrap();
        }
        self.last_clean = Some(run.clean_to());
        self.check();
    }

    /// What a consumer of committed records sees is the last value of every key.
    fn check(&self) {
        let stable = self.log.last_stable();
        let is_stable = |record: &&Record| record.0 < stable.0;
        let seen: Vec<_> = visible(&self.log)
            .iter()
            .filter(is_stable)
            .cloned()
            .collect();
        let expected: Vec<_> = self.committed.iter().filter(is_stable).cloned().collect();
        assert_eq!(last(&seen), last(&expected));
        assert!(seen.iter().all(|record| expected.contains(record)));
    }
}

fn open(storage: &Arc<dyn Storage>, recovery_point: Offset) -> Log {
    let partition = Partition {
        folder: "/d/t-0".into(),
        topic_partition: TopicPartition::new("t", PartitionIndex(0)),
        topic_id: milena_protocol::TopicId::METADATA,
    };
    let config = LogConfig {
        segment_bytes: 500,
        index_interval_bytes: 100,
        delete_retention_ms: 30,
        cleanup_compact: true,
        cleanup_delete: false,
        ..LogConfig::default()
    };
    let state = OpenState {
        clean: false,
        recovery_point,
        log_start: Some(Offset(0)),
    };
    let handles = Handles::new(Arc::clone(storage), 100);
    let now = Timestamp(1_000_000);
    Log::open(
        handles,
        partition,
        Arc::new(config),
        state,
        now,
        &mut |_| {},
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn consumers_of_committed_records_see_every_last_value(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.now += 10;
            match step {
                Step::Plain { key, value } => world.data(None, key, value),
                Step::InTxn { id, key, value } => world.data(Some(id), key, value),
                Step::End { id, commits } => world.end(id, commits),
                Step::Clean => world.clean(),
            }
        }
        for _ in 0..3 {
            world.now += 50;
            world.data(None, 9, 9);
            world.clean();
        }
        world.check();

        // A replay of what is left gives the same producers and the same open transactions.
        let states = world.log.producers().clone();
        let snapshots: Vec<_> = world
            .storage
            .list(Path::new("/d/t-0"))
            .unwrap()
            .into_iter()
            .filter(|entry| entry.name.ends_with(".snapshot"))
            .collect();
        for entry in snapshots {
            let path = Path::new("/d/t-0").join(entry.name);
            world.storage.remove_file(&path).unwrap();
        }
        let flushed = world.log.flushed();
        let World { storage, log, .. } = world;
        drop(log);
        let again = open(&storage, flushed);
        prop_assert_eq!(again.producers().first_undecided(), states.first_undecided());
        for producer in states.iter() {
            let other = again.producers().get(producer.id());
            let other = other.map(|it| (it.epoch(), it.last_sequence(), it.txn_first_offset()));
            let producer = (producer.epoch(), producer.last_sequence(), producer.txn_first_offset());
            prop_assert_eq!(other, Some(producer));
        }
    }
}
