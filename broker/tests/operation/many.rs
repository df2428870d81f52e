//! A broker with more partitions than one request of a user may change.

use crate::client::Server;

#[test]
fn broker_with_many_partitions_starts_again() {
    let mut server = Server::start(1, &[]);
    let mut client = server.client("c");
    client.make("a", 9_999);
    client.make("b", 5_000);
    for partition in 0..40 {
        assert_eq!(client.append("a", partition, "value").error_code, 0);
    }
    server.restart();
    let mut client = server.client("c");
    for partition in 0..40 {
        assert_eq!(client.append("a", partition, "more").error_code, 0);
        assert_eq!(client.values("a", partition), ["value", "more"]);
    }
    assert_eq!(client.append("b", 4_999, "value").error_code, 0);
}
