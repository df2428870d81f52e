//! Fetch: errors, limits and sessions, as Apache Kafka 4.3.1 has them.

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse};
use uuid::Uuid;

use crate::client::{Client, Server, batch, topic};

/// A partition that is asked for: topic, index, first offset.
type Asked<'a> = (&'a str, i32, i64);

fn part(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
}

fn of(name: &str, partitions: Vec<FetchPartition>) -> FetchTopic {
    FetchTopic::default()
        .with_topic(topic(name))
        .with_partitions(partitions)
}

fn request(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(topics)
}

fn in_session(id: i32, epoch: i32, asked: &[Asked<'_>]) -> FetchRequest {
    let topics = asked
        .iter()
        .map(|&(name, index, offset)| of(name, vec![part(index, offset)]));
    request(topics.collect())
        .with_session_id(id)
        .with_session_epoch(epoch)
}

/// Topic, partition, error code and bytes of all partitions of a response.
fn answers(response: &FetchResponse) -> Vec<(String, i32, i16, usize)> {
    let topics = response.responses.iter();
    topics
        .flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                let records = partition.records.as_ref().expect("records are not null");
                let name = topic.topic.to_string();
                (
                    name,
                    partition.partition_index,
                    partition.error_code,
                    records.len(),
                )
            })
        })
        .collect()
}

fn row(name: &str, index: i32, code: i16, bytes: usize) -> (String, i32, i16, usize) {
    (name.to_owned(), index, code, bytes)
}

/// Two topics with a batch each; the size of the batch.
fn fill(client: &mut Client) -> usize {
    client.create(&[("a", 3), ("b", 1)]);
    let records = batch(1_000, &["a", "b", "c", "d"]);
    assert_eq!(client.produce("a", records.clone()), (0, 0));
    assert_eq!(client.produce("b", records.clone()), (0, 0));
    records.len()
}

#[test]
fn errors_are_told_of_each_partition() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let bytes = fill(&mut client);
    let topics = vec![
        of("a", vec![part(0, 0), part(1, 0), part(2, 9), part(7, 0)]),
        of("absent", vec![part(0, 0)]),
    ];
    let response = client.call(12, &request(topics));
    assert_eq!((response.error_code, response.session_id), (0, 0));
    let expected = [
        row("a", 0, 0, bytes),
        row("a", 1, 0, 0),
        row("a", 2, 1, 0),
        row("a", 7, 3, 0),
        row("absent", 0, 3, 0),
    ];
    assert_eq!(answers(&response), expected);
    for (partition, position) in response.responses[0].partitions.iter().zip([4, 0, -1, -1]) {
        assert_eq!(partition.high_watermark, position);
        assert_eq!(partition.last_stable_offset, position);
        assert_eq!(partition.log_start_offset, position.min(0));
        assert_eq!(partition.aborted_transactions, None);
    }
}

#[test]
fn a_topic_that_is_asked_for_by_an_unknown_id_has_an_error() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let bytes = fill(&mut client);
    let known = client.topic_id("a");
    for (id, code, bytes) in [
        (known, 0, bytes),
        (Uuid::from_u128(5), 100, 0),
        (Uuid::nil(), 100, 0),
    ] {
        let asked = FetchTopic::default()
            .with_topic_id(id)
            .with_partitions(vec![part(0, 0)]);
        let response = client.call(13, &request(vec![asked]));
        assert_eq!(response.responses[0].topic_id, id);
        assert_eq!(answers(&response), [row("", 0, code, bytes)]);
    }
}

#[test]
fn epochs_that_do_not_fit_are_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let bytes = fill(&mut client);
    // Leader epoch, epoch of the last record, offset; then code, bytes, offset of divergence.
    let cases = [
        ((0, -1, 0), (0, bytes, -1)),
        ((1, -1, 0), (75, 0, -1)),
        ((-1, 0, 2), (0, bytes, -1)),
        ((-1, 0, 4), (0, 0, -1)),
        ((-1, 0, 6), (0, 0, 4)),
        // Of an epoch that never was, nothing is known, not even where the logs part.
        ((-1, 1, 4), (1, 0, -1)),
        ((-1, 5, 2), (1, 0, -1)),
    ];
    for ((leader, last, offset), expected) in cases {
        let asked = part(0, offset)
            .with_current_leader_epoch(leader)
            .with_last_fetched_epoch(last);
        let response = client.call(12, &request(vec![of("a", vec![asked])]));
        let found = &response.responses[0].partitions[0];
        let bytes = found.records.as_ref().unwrap().len();
        let answer = (found.error_code, bytes, found.diverging_epoch.end_offset);
        assert_eq!(answer, expected, "{leader} {last} {offset}");
    }
}

#[test]
fn only_the_first_batch_may_exceed_the_limits() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let bytes = fill(&mut client);
    let ask = |of_partition, of_all| {
        let part = part(0, 0).with_partition_max_bytes(of_partition);
        let topics = vec![of("a", vec![part.clone()]), of("b", vec![part])];
        request(topics).with_max_bytes(of_all)
    };
    for (of_partition, of_all, second) in
        [(1 << 20, 1, 0), (1, 1 << 20, 0), (1 << 20, 1 << 20, bytes)]
    {
        let response = client.call(12, &ask(of_partition, of_all));
        assert_eq!(
            answers(&response),
            [row("a", 0, 0, bytes), row("b", 0, 0, second)]
        );
    }
}

#[test]
fn who_is_no_replica_cannot_follow() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let bytes = fill(&mut client);
    for (replica, code, bytes) in [(7, 6, 0), (-2, 0, bytes), (-1, 0, bytes)] {
        let request = request(vec![of("a", vec![part(0, 0)])]).with_replica_id(BrokerId(replica));
        assert_eq!(
            answers(&client.call(12, &request)),
            [row("a", 0, code, bytes)]
        );
    }
}

#[test]
fn a_session_tells_what_has_changed() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let bytes = fill(&mut client);
    let all = [("a", 0, 0), ("a", 1, 0), ("b", 0, 4), ("absent", 0, 0)];
    let opened = client.call(12, &in_session(0, 0, &all));
    let absent = row("absent", 0, 3, 0);
    let full = [
        row("a", 0, 0, bytes),
        row("a", 1, 0, 0),
        row("b", 0, 0, 0),
        absent.clone(),
    ];
    assert_eq!(answers(&opened), full);
    let id = opened.session_id;
    assert_ne!(id, 0);
    let mut next = |epoch, asked: &[Asked<'_>], forgotten: &[i32]| {
        let mut request = in_session(id, epoch, asked);
        if !forgotten.is_empty() {
            let topic = ForgottenTopic::default()
                .with_topic(topic("a"))
                .with_partitions(forgotten.to_vec());
            request.forgotten_topics_data = vec![topic];
        }
        let response = client.call(12, &request);
        let mut found = answers(&response);
        found.sort();
        (response.error_code, found)
    };
    let of_a = row("a", 0, 0, bytes);
    assert_eq!(next(1, &[], &[]), (0, vec![of_a.clone(), absent.clone()]));
    assert_eq!(next(2, &[("a", 0, 4)], &[]), (0, vec![absent.clone()]));
    assert_eq!(next(2, &[], &[]), (71, vec![]), "an epoch comes once");
    assert_eq!(next(9, &[], &[]), (71, vec![]));
    assert_eq!(
        next(3, &[("a", 2, 0)], &[]),
        (0, vec![row("a", 2, 0, 0), absent.clone()])
    );
    assert_eq!(next(4, &[], &[0, 9]), (0, vec![absent.clone()]));
    let wrong = row("a", 1, 1, 0);
    for (epoch, asked) in [(5, &[("a", 1, 99)][..]), (6, &[])] {
        let answered = next(epoch, asked, &[]);
        let expected = vec![wrong.clone(), absent.clone()];
        assert_eq!(answered, (0, expected), "errors come each time");
    }
    // A full fetch with the id ends the session.
    let ended = client.call(12, &in_session(id, -1, &[("a", 0, 4)]));
    assert_eq!((ended.error_code, ended.session_id), (0, 0));
    assert_eq!(client.call(12, &in_session(id, 7, &[])).error_code, 70);
}

#[test]
fn a_session_that_is_not_known_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.client();
    fill(&mut client);
    let asked = [("a", 0, 4)];
    for (id, epoch, code) in [(99, 1, 70), (99, 0, 0), (99, -1, 0), (0, 5, 70)] {
        let response = client.call(12, &in_session(id, epoch, &asked));
        assert_eq!(response.error_code, code, "{id} {epoch}");
        assert_eq!(response.session_id != 0, epoch == 0);
    }
}

#[test]
fn names_and_ids_do_not_mix_in_a_session() {
    let server = Server::start(&[]);
    let mut client = server.client();
    fill(&mut client);
    let opened = client.call(12, &in_session(0, 0, &[("a", 0, 4)]));
    let by_id = in_session(opened.session_id, 1, &[]);
    assert_eq!(client.call(13, &by_id).error_code, 106);
}
