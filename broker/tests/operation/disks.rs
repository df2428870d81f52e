//! A full disk refuses records and nothing else; a broken one takes its own partitions with it and
//! no others.

use std::path::Path;
use std::sync::Arc;

use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DeleteRecordsRequest, DescribeLogDirsRequest, MetadataRequest};
use milena_log::storage::Storage;
use milena_protocol::ErrorCode;

use crate::client::{Client, Server, topic};
use crate::failing_disk::FailingDisk;

const STORAGE_ERROR: i16 = 56;
/// Requests after which what should have happened by itself has not.
const ATTEMPTS_MAX: usize = 1_000_000;

/// A broker whose log directory of this number can fail.
fn start(dirs: usize, failing: usize) -> (Server, FailingDisk) {
    let mut disk = None;
    let server = Server::start_on(dirs, &[("log.dir.reserve.bytes", "1")], |root: &Path| {
        let made = FailingDisk::new(root.join(failing.to_string()));
        disk = Some(made.clone());
        Arc::new(made) as Arc<dyn Storage>
    });
    (server, disk.unwrap())
}

/// Asks again until the answer is as it should be.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    assert!((0..ATTEMPTS_MAX).any(|_| is_so()), "{what}");
}

/// Leaders of the partitions of `t`, by index.
fn leaders(client: &mut Client) -> Vec<i32> {
    let asked = MetadataRequestTopic::default().with_name(Some(topic("t")));
    let request = MetadataRequest::default().with_topics(Some(vec![asked]));
    let partitions = &client.call(12, &request).topics[0].partitions;
    let mut leaders: Vec<_> = partitions
        .iter()
        .map(|one| (one.partition_index, one.leader_id.0))
        .collect();
    leaders.sort_unstable();
    leaders.into_iter().map(|(_, leader)| leader).collect()
}

/// The partitions of `t` that lie in a directory.
fn partitions_in(client: &mut Client, path: &Path) -> Vec<i32> {
    let described = client.call(4, &DescribeLogDirsRequest::default().with_topics(None));
    let path = path.display().to_string();
    let dirs = described.results.iter().filter(|dir| *dir.log_dir == *path);
    let topics = dirs
        .flat_map(|dir| &dir.topics)
        .filter(|found| *found.name == *"t");
    topics
        .flat_map(|found| &found.partitions)
        .map(|one| one.partition_index)
        .collect()
}

/// Deletes the first record of partition 0; returns the error code.
fn delete_records(client: &mut Client) -> i16 {
    let partition = DeleteRecordsPartition::default()
        .with_partition_index(0)
        .with_offset(1);
    let of = DeleteRecordsTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_topics(vec![of])
        .with_timeout_ms(10_000);
    client.call(2, &request).topics[0].partitions[0].error_code
}

#[test]
fn full_disk_refuses_records_until_there_is_room() {
    assert_eq!(ErrorCode::KafkaStorageError.code(), STORAGE_ERROR);
    let (server, disk) = start(1, 0);
    let mut client = server.client("c");
    client.make("t", 1);
    let mut written = vec!["first".to_owned()];
    assert_eq!(client.append("t", 0, "first").error_code, 0);

    disk.fill();
    for _ in 0..3 {
        assert_eq!(client.append("t", 0, "refused").error_code, STORAGE_ERROR);
    }
    assert_eq!(client.values("t", 0), written);
    // A checkpoint that cannot be written is no reason to give the directory up.
    assert_eq!(delete_records(&mut client), STORAGE_ERROR);
    assert_eq!(leaders(&mut client), [1]);
    let health = server.health();
    assert!(
        !health.is_ready && health.reasons[0].contains("is full"),
        "{health:?}"
    );

    disk.mend();
    until("records are taken again", || {
        client.append("t", 0, "again").error_code == 0
    });
    written.push("again".to_owned());
    assert_eq!(delete_records(&mut client), 0);
    assert!(server.health().is_ready);
}

#[test]
fn broken_directory_takes_only_its_own_partitions_with_it() {
    let (mut server, disk) = start(2, 1);
    let mut client = server.client("c");
    client.make("t", 4);
    for partition in 0..4 {
        assert_eq!(client.append("t", partition, "before").error_code, 0);
    }
    let well = partitions_in(&mut client, &server.log_dir(0));
    let ill = partitions_in(&mut client, &server.log_dir(1));
    assert_eq!((well.len(), ill.len()), (2, 2));

    disk.break_down();
    assert_eq!(client.append("t", ill[0], "lost").error_code, STORAGE_ERROR);
    until("the failed partitions have no leader", || {
        let leaders = leaders(&mut client);
        (0..4).all(|at| (leaders[at as usize] == -1) == ill.contains(&at))
    });
    for &partition in &ill {
        assert_eq!(
            client.append("t", partition, "lost").error_code,
            STORAGE_ERROR
        );
        let fetched = client.fetch("t", partition, 0, 1000);
        assert_eq!(fetched.responses[0].partitions[0].error_code, STORAGE_ERROR);
    }
    for &partition in &well {
        assert_eq!(client.append("t", partition, "after").error_code, 0);
        assert_eq!(client.values("t", partition), ["before", "after"]);
    }
    let described = client.call(4, &DescribeLogDirsRequest::default().with_topics(None));
    let errors: Vec<_> = described.results.iter().map(|dir| dir.error_code).collect();
    assert_eq!(errors, [0, STORAGE_ERROR]);
    // New replicas lie where there is a disk.
    client.make("new", 2);
    assert_eq!(client.append("new", 1, "value").error_code, 0);
    assert!(!server.health().is_ready);

    disk.mend();
    server.restart();
    let mut client = server.client("c");
    assert_eq!(leaders(&mut client), [1, 1, 1, 1]);
    for &partition in &ill {
        assert_eq!(client.values("t", partition), ["before"]);
        assert_eq!(client.append("t", partition, "after").error_code, 0);
    }
    for &partition in &well {
        assert_eq!(client.values("t", partition), ["before", "after"]);
    }
}
