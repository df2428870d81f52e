//! APIs of groups of the consumer protocol.

use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, GroupId,
};

use super::World;
use crate::client::{text, topic};

fn join(group: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text("member"))
        .with_instance_id(Some(text("instance")))
        .with_rack_id(Some(text("rack")))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic("known"), topic("absent")]))
        .with_server_assignor(Some(text("range")))
        .with_topic_partitions(Some(Vec::new()))
}

pub(super) fn heartbeat(world: &mut World, version: i16) {
    let request = join(&format!("consumer-{version}"));
    let request = if version < 1 {
        request
    } else {
        request.with_subscribed_topic_regex(Some(text("kno.*")))
    };
    let joined = world.client.call(version, &request);
    assert!(
        joined.error_code == 0 && joined.member_epoch > 0,
        "{joined:?}"
    );
    assert_eq!(joined.member_id, Some(text("member")));
    let assignment = joined.assignment.expect("an assignment");
    assert_eq!(assignment.topic_partitions[0].topic_id, world.known);
    assert_eq!(assignment.topic_partitions[0].partitions, [0, 1]);
    let refused = request.with_server_assignor(Some(text("nonsense")));
    let refused = world.client.call(version, &refused);
    assert_eq!((refused.error_code, refused.member_epoch), (112, 0));
    assert!(refused.error_message.is_some() && refused.assignment.is_none());
}

pub(super) fn describe(world: &mut World, version: i16) {
    let name = format!("consumer-describe-{version}");
    assert_eq!(world.client.call(1, &join(&name)).error_code, 0);
    let names = [name.as_str(), "absent", ""];
    let request = ConsumerGroupDescribeRequest::default()
        .with_group_ids(names.map(|name| GroupId(text(name))).into())
        .with_include_authorized_operations(true);
    let described = world.client.call(version, &request).groups;
    let codes: Vec<_> = described.iter().map(|group| group.error_code).collect();
    assert_eq!(codes, [0, 69, 24], "{version}");
    assert_ne!(described[0].authorized_operations, i32::MIN);
    assert_eq!(described[0].members.len(), 1);
}
