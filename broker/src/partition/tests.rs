//! Tests of a partition on a broker of its own.

use std::sync::Arc;

use bytes::BytesMut;
use milena_log::validate::ValidBatch;
use milena_protocol::batch::{BatchBuilder, Compression};
use milena_protocol::{ErrorCode, Offset, PartitionIndex, Timestamp};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::{Append, Partition};
use crate::completion::Completion;
use crate::options::{Mode, Options};
use crate::start;
use crate::topics::CONSUMER_OFFSETS;

fn append(partition: &Arc<Partition>) -> Arc<Completion> {
    let mut builder = BatchBuilder::new(Compression::None, None);
    builder
        .append(Timestamp(1), Some(b"k"), Some(b"v"), [])
        .unwrap();
    let bytes = BytesMut::from(builder.finish(Offset(0)).as_slice());
    let completion = Completion::new(1, Arc::new(Notify::new()));
    partition.append(Append {
        records: ValidBatch::of_broker(bytes).unwrap(),
        all: false,
        completion: Arc::clone(&completion),
        slot: 0,
    });
    completion
}

#[test]
fn who_only_looked_at_the_state_serves_the_appends_that_came_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    Runtime::new().unwrap().block_on(async {
        let values = [
            ("listeners", "PLAINTEXT://127.0.0.1:0".to_owned()),
            ("log.dirs", directory.path().display().to_string()),
        ];
        let values = values.map(|(key, value)| (key.to_owned(), value));
        let (options, _) = Options::from_values(values.into(), Mode::Dev).unwrap();
        let running = start::start(options).await.unwrap();
        let broker = running.broker;
        broker.create_topic(CONSUMER_OFFSETS).await.unwrap();
        let partition = broker.replicas().named(CONSUMER_OFFSETS, PartitionIndex(0));
        let partition = partition.unwrap();
        let completion = partition.look(|_| {
            std::thread::scope(|scope| scope.spawn(|| append(&partition)).join().unwrap())
        });
        assert!(completion.is_done());
        assert_eq!(completion.take()[0].error, ErrorCode::None);
        assert_eq!(partition.log_end(), Offset(1));
        broker.stopping().cancel();
        broker.tracker().close();
        broker.tracker().wait().await;
    });
}
