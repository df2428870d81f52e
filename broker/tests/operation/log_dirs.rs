//! Replicas move between log directories while they are written, and no crash of a move loses any.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kafka_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use kafka_protocol::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};
use milena_protocol::ErrorCode;

use crate::client::{Client, Server, text, topic};

/// Asks for a move of partition 0; returns the error code.
fn relocate(client: &mut Client, name: &str, to: &Path) -> i16 {
    let moved = AlterReplicaLogDirTopic::default()
        .with_name(topic(name))
        .with_partitions(vec![0]);
    let dir = AlterReplicaLogDir::default()
        .with_path(text(&to.display().to_string()))
        .with_topics(vec![moved]);
    let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]);
    let response = client.call(2, &request);
    response.results[0].partitions[0].error_code
}

/// The directories with replicas of a topic, and whether each is a copy on its way.
fn places(client: &mut Client, name: &str) -> BTreeSet<(PathBuf, bool)> {
    let described = client.call(4, &DescribeLogDirsRequest::default().with_topics(None));
    let mut places = BTreeSet::new();
    for dir in &described.results {
        let named = dir.topics.iter().filter(|topic| *topic.name == *name);
        for partition in named.flat_map(|topic| &topic.partitions) {
            places.insert((PathBuf::from(&*dir.log_dir), partition.is_future_key));
        }
    }
    places
}

/// The number of the directory that holds a topic, of two.
fn home(server: &Server, client: &mut Client, name: &str) -> usize {
    let places = places(client, name);
    let (path, _) = places.first().unwrap();
    (0..2).find(|&at| server.log_dir(at) == *path).unwrap()
}

fn append_all(client: &mut Client, values: impl Iterator<Item = String>) -> Vec<String> {
    values
        .inspect(|value| assert_eq!(client.append("t", 0, value).error_code, 0))
        .collect()
}

/// Appends until the move to `target` is over.
fn append_until_moved(client: &mut Client, target: &Path, written: &mut Vec<String>) {
    let moved = BTreeSet::from([(target.to_owned(), false)]);
    for number in 0..100_000 {
        if places(client, "t") == moved {
            return;
        }
        written.extend(append_all(
            client,
            [format!("meanwhile-{number}")].into_iter(),
        ));
    }
    panic!("the replica has not moved");
}

fn folders(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let names = folders.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("t-")).collect()
}

#[test]
fn replica_moves_while_it_is_written_and_loses_nothing() {
    let mut server = Server::start(2, &[("log.segment.bytes", "1048576")]);
    let mut client = server.client("c");
    client.make("t", 1);
    let big = "x".repeat(100_000);
    let mut written = append_all(&mut client, (0..40).map(|number| format!("{number}-{big}")));
    let from = home(&server, &mut client, "t");
    let target = server.log_dir(1 - from);
    assert_eq!(relocate(&mut client, "t", &target), 0);
    append_until_moved(&mut client, &target, &mut written);
    written.extend(append_all(
        &mut client,
        (0..20).map(|number| format!("after-{number}")),
    ));
    assert_eq!(client.values("t", 0), written);
    assert_eq!(folders(&target), ["t-0"]);
    assert!(!folders(&server.log_dir(from)).contains(&"t-0".to_owned()));

    server.restart();
    let mut client = server.client("c");
    assert_eq!(client.values("t", 0), written);
    assert_eq!(places(&mut client, "t"), BTreeSet::from([(target, false)]));
    // And back again.
    let target = server.log_dir(from);
    assert_eq!(relocate(&mut client, "t", &target), 0);
    append_until_moved(&mut client, &target, &mut written);
    assert_eq!(client.values("t", 0), written);
}

#[test]
fn what_cannot_move_is_refused_as_by_kafka() {
    let server = Server::start(2, &[]);
    let mut client = server.client("c");
    client.make("t", 1);
    let home = server.log_dir(home(&server, &mut client, "t"));
    let elsewhere = server.log_dir(7);
    let not_found = ErrorCode::LogDirNotFound.code();
    assert_eq!(relocate(&mut client, "t", &elsewhere), not_found);
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(relocate(&mut client, "nothing", &home), unknown);
    let invalid = ErrorCode::InvalidTopicException.code();
    assert_eq!(relocate(&mut client, &"n".repeat(230), &home), invalid);
    assert_eq!(relocate(&mut client, "t", &home), 0);
    assert_eq!(places(&mut client, "t"), BTreeSet::from([(home, false)]));
}

#[test]
fn interrupted_move_begins_again_with_the_next_start() {
    let mut server = Server::start(2, &[]);
    let mut client = server.client("c");
    client.make("t", 1);
    let mut written = append_all(&mut client, (0..10).map(|number| number.to_string()));
    let from = home(&server, &mut client, "t");
    let target = server.log_dir(1 - from);
    server.stop();
    let copy = target.join("t-0.0123456789abcdef0123456789abcdef-future");
    fs::create_dir(&copy).unwrap();
    fs::write(copy.join("00000000000000000000.log"), b"part of a copy").unwrap();
    server.restart();
    let mut client = server.client("c");
    append_until_moved(&mut client, &target, &mut written);
    assert_eq!(client.values("t", 0), written);
    assert_eq!(folders(&target), ["t-0"]);
}

#[test]
fn complete_copy_becomes_the_log_where_a_crash_left_no_other() {
    let mut server = Server::start(2, &[]);
    let mut client = server.client("c");
    client.make("t", 1);
    let written = append_all(&mut client, (0..10).map(|number| number.to_string()));
    let from = home(&server, &mut client, "t");
    let (from, target) = (server.log_dir(from), server.log_dir(1 - from));
    server.stop();
    // The state between the two renamings at the end of a move.
    let copy = target.join("t-0.0123456789abcdef0123456789abcdef-future");
    let doomed = from.join("t-0.0123456789abcdef0123456789abcdef-delete");
    fs::rename(from.join("t-0"), &copy).unwrap();
    fs::write(copy.join("relocation.complete"), b"complete\n").unwrap();
    fs::create_dir(&doomed).unwrap();
    server.restart();
    let mut client = server.client("c");
    assert_eq!(client.values("t", 0), written);
    assert_eq!(
        places(&mut client, "t"),
        BTreeSet::from([(target.clone(), false)])
    );
    assert_eq!(folders(&target), ["t-0"]);
    assert_eq!(folders(&from), Vec::<String>::new());
    assert!(!target.join("t-0").join("relocation.complete").exists());
}

#[test]
fn cordoned_directory_gets_no_new_replicas() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let dirs = format!("{},{}", path("a"), path("b"));
    let cordoned = path("a");
    let server = Server::start(1, &[("log.dirs", &dirs), ("cordoned.log.dirs", &cordoned)]);
    let mut client = server.client("c");
    client.make("t", 6);
    assert_eq!(
        places(&mut client, "t"),
        BTreeSet::from([(PathBuf::from(path("b")), false)])
    );
}
