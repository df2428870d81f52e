//! Damage in `__consumer_offsets` at start.

use std::path::PathBuf;

use milena_cluster::group::CommitOffsets;
use milena_protocol::stored::group::partition_for;

use super::*;

/// Ends a broker in order, so that the next one takes its logs as they are.
async fn stop(broker: Arc<Broker>) {
    broker.stopping().cancel();
    broker.tracker().close();
    broker.tracker().wait().await;
    let image = broker.image();
    let epoch = image.broker(broker.id()).expect("registered").epoch;
    let shared = Arc::clone(&broker);
    broker
        .blocking(move || shared.replicas().shut_down(epoch))
        .await;
    crate::metadata::MetadataLog::stop(&**broker.controller().log()).await;
}

fn commit_of(group: &str, offset: i64) -> Request {
    let mut request = commit(nobody(), TopicId::ZERO, offset);
    if let Request::CommitOffsets(CommitOffsets { member, .. }) = &mut request {
        group.clone_into(&mut member.group);
    }
    request
}

async fn ask_of(broker: &Arc<Broker>, group: &str, request: Request) -> ErrorCode {
    loop {
        let response = broker.groups().request(group, request.clone()).await;
        let Response::CommitOffsets(topics) = response else {
            panic!("a commit");
        };
        match topics[0].partitions[0].1 {
            ErrorCode::CoordinatorLoadInProgress => tokio::task::yield_now().await,
            error => return error,
        }
    }
}

/// The first segment of the partition of a group.
fn segment(directory: &Path, broker: &Broker, group: &str) -> PathBuf {
    let count = broker
        .image()
        .topic(CONSUMER_OFFSETS)
        .expect("made")
        .partition_count();
    let partition = partition_for(group, count);
    let folder = format!("{CONSUMER_OFFSETS}-{}", partition.0);
    directory
        .join("data")
        .join(folder)
        .join("00000000000000000000.log")
}

#[test]
fn damage_is_told_and_stays_with_its_partition() {
    run(|directory| async move {
        let first = broker(directory.path()).await;
        first.create_topic(CONSUMER_OFFSETS).await.unwrap();
        for group in ["damaged", "whole"] {
            for offset in 1..=3 {
                let error = ask_of(&first, group, commit_of(group, offset)).await;
                assert_eq!(error, ErrorCode::None);
            }
        }
        let path = segment(directory.path(), &first, "damaged");
        assert_ne!(path, segment(directory.path(), &first, "whole"));
        stop(first).await;
        let mut bytes = std::fs::read(&path).unwrap();
        // Within the records of the first batch.
        bytes[80] ^= 0x10;
        std::fs::write(&path, bytes).unwrap();

        let second = broker(directory.path()).await;
        let error = ask_of(&second, "whole", commit_of("whole", 4)).await;
        assert_eq!(error, ErrorCode::None);
        let error = ask_of(&second, "damaged", commit_of("damaged", 4)).await;
        assert_eq!(error, ErrorCode::NotCoordinator);
        let listed = loop {
            match second.groups().list(&[], &[]) {
                Ok(listed) => break listed,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let names: Vec<&str> = listed.iter().map(|group| group.group.as_str()).collect();
        assert_eq!(names, ["whole"]);
        end(second).await;
    });
}
