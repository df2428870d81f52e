//! Requests wait for memory; what was asked before is answered meanwhile.

use kafka_protocol::messages::ProduceRequest;

use crate::client::{Server, produce_request};

/// Requests of one connection, each of which needs more than half of the memory there is.
#[test]
fn pipelined_requests_beyond_the_memory_are_all_answered() {
    let server = Server::start(
        1,
        &[
            ("queued.max.request.bytes", "131072"),
            ("socket.request.max.bytes", "131072"),
        ],
    );
    server.client("admin").make("t", 1);
    let mut client = server.client("c");
    let request = produce_request("t", 0, &"v".repeat(100_000));
    let mut sender = client.another_end();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..8 {
                sender.send(9, &request).unwrap();
            }
        });
        for number in 1..=8 {
            let produced = client.receive::<ProduceRequest>(9, number).unwrap();
            let partition = &produced.responses[0].partition_responses[0];
            assert_eq!(
                (partition.error_code, partition.base_offset),
                (0, i64::from(number) - 1)
            );
        }
    });
}
