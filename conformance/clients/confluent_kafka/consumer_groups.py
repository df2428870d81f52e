"""Cases of the group protocol of KIP-848, `group.protocol=consumer`."""

from client import Client, Member, code_of, drain, numbered, settle
from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic
from runner import PATIENCE, case, equal, unique, until

NEW = {"group_protocol": "consumer"}


def read_all(members, count):
    def done():
        for member in members:
            member.poll()
        return sum(len(member.records) for member in members) >= count

    until(f"{count} records", done)
    return sorted(record for member in members for record in member.records)


def close(*members):
    for member in members:
        member.consumer.close()


def described(client, group):
    return client.admin.describe_consumer_groups([group])[group].result(PATIENCE)


def check_rebalances(bootstrap, assignor):
    client = Client(bootstrap)
    topic, group = client.topic("rebalance", partitions=6), unique("group")
    more = NEW | {"group_remote_assignor": assignor}
    members = [Member(client, group, topic, **more)]
    settle(members, [6])
    members.append(Member(client, group, topic, **more))
    settle(members, [3, 3])
    equal([len(gone) for gone in members[0].revoked], [3], "revoked")
    members.append(Member(client, group, topic, **more))
    settle(members, [2, 2, 2])
    client.produced(topic, [{"value": b"v", "partition": i % 6} for i in range(120)])
    got = read_all(members, 120)
    equal(got, [(p, o) for p in range(6) for o in range(20)], "each record once")
    close(members.pop(0))
    settle(members, [3, 3])
    close(members.pop(0))
    settle(members, [6])
    close(*members)


@case("consumer_group")
def uniform(bootstrap):
    check_rebalances(bootstrap, "uniform")


@case("consumer_group")
def range_assignor(bootstrap):
    check_rebalances(bootstrap, "range")


@case("consumer_group")
def kip848_static_member(bootstrap):
    client = Client(bootstrap)
    topic, group = client.topic("static", partitions=4), unique("group")
    first = Member(client, group, topic, group_instance_id="one", **NEW)
    second = Member(client, group, topic, group_instance_id="two", **NEW)
    settle([first, second], [2, 2])
    owned, revoked = set(second.owned), len(first.revoked)
    close(second)
    again = Member(client, group, topic, group_instance_id="two", **NEW)
    settle([first, again], [2, 2])
    equal(again.owned, owned, "partitions of the member that came back")
    equal(len(first.revoked), revoked, "rebalances of the other")
    # Whoever has the place keeps it here, unlike in a classic group.
    thief = Member(client, group, topic, group_instance_id="two", **NEW)
    error = until("the second one is refused", lambda: fatal_of(thief, first, again))
    equal(error, "unreleased")
    close(first, again)


def fatal_of(member, *others):
    """The error that ended the member, while the others go on."""
    for other in others:
        other.poll()
    record = member.consumer.poll(0.05)
    if record is None or record.error() is None:
        return None
    return "unreleased" if "instance ID is still used" in record.error().str() else record.error()


@case("consumer_group")
def regex(bootstrap):
    """The broker resolves the pattern, also for topics that come later."""
    client = Client(bootstrap)
    prefix, group = unique("regex"), unique("group")
    names = [client.topic(f"{prefix}-a"), client.topic(f"{prefix}-b")]
    client.topic(f"other-{prefix}")
    member = Member(client, group, f"^{prefix}-.*", topic_metadata_refresh_interval_ms=300000, **NEW)

    def topics():
        member.poll()
        return sorted({row.topic for row in member.consumer.assignment()})

    until("both topics", lambda: topics() == sorted(names))
    names.append(client.topic(f"{prefix}-c"))
    until("the new topic", lambda: topics() == sorted(names))
    client.admin.delete_topics([names[0]])[names[0]].result(PATIENCE)
    until("the topic is gone", lambda: topics() == sorted(names[1:]))
    close(member)


@case("consumer_group")
def kip848_commit_and_resume(bootstrap):
    client = Client(bootstrap)
    topic, group = client.topic("commit"), unique("group")
    client.produced(topic, numbered(100))
    consumer = client.consumer(group, **NEW)
    consumer.subscribe([topic])
    records = drain(consumer, 40)
    equal(consumer.committed([TopicPartition(topic, 0)], PATIENCE)[0].offset, -1001)
    where = TopicPartition(topic, 0, records[-1].offset() + 1, metadata="note")
    consumer.commit(offsets=[where], asynchronous=False)
    row = consumer.committed([TopicPartition(topic, 0)], PATIENCE)[0]
    equal((row.offset, row.metadata), (40, "note"), "committed")
    consumer.close()
    consumer = client.consumer(group, **NEW)
    consumer.subscribe([topic])
    equal([record.offset() for record in drain(consumer, 60)], list(range(40, 100)), "offsets")
    consumer.close()


@case("consumer_group")
def kip848_auto_commit(bootstrap):
    client = Client(bootstrap)
    topic, group = client.topic("auto"), unique("group")
    client.produced(topic, numbered(50))
    settings = {"enable_auto_commit": True, "auto_commit_interval_ms": 100}
    consumer = client.consumer(group, **settings, **NEW)
    consumer.subscribe([topic])
    drain(consumer, 50)
    until("the commit", lambda: consumer.poll(0.05) or client.committed(group, topic) == 50)
    consumer.close()


@case("consumer_group")
def partition_growth_is_assigned(bootstrap):
    client = Client(bootstrap)
    topic, group = client.topic("growth", partitions=2), unique("group")
    members = [Member(client, group, topic, **NEW), Member(client, group, topic, **NEW)]
    settle(members, [1, 1])
    client.admin.create_partitions([NewPartitions(topic, 6)])[topic].result(PATIENCE)
    settle(members, [3, 3])
    close(*members)


@case("consumer_group")
def topic_that_comes_later(bootstrap):
    client = Client(bootstrap)
    topic, group = unique("later"), unique("group")
    member = Member(client, group, topic, allow_auto_create_topics=False, **NEW)
    until("the member is there", lambda: member.poll() or members_of(client, group) == 1)
    client.admin.create_topics([NewTopic(topic, num_partitions=2)])[topic].result(PATIENCE)
    settle([member], [2])
    close(member)


def members_of(client, group):
    try:
        return len(described(client, group).members)
    except Exception:  # The group is not there yet.
        return 0


@case("consumer_group")
def describe_and_delete_consumer_group(bootstrap):
    client = Client(bootstrap)
    topic, group = client.topic("describe", partitions=2), unique("group")
    member = Member(client, group, topic, client_id="the-client", **NEW)
    settle([member], [2])
    until("it is stable", lambda: member.poll() or described(client, group).state.name == "STABLE")
    found = described(client, group)
    equal((found.type.name, found.partition_assignor), ("CONSUMER", "uniform"))
    equal([row.client_id for row in found.members], ["the-client"])
    assigned = found.members[0].assignment.topic_partitions
    equal(sorted((row.topic, row.partition) for row in assigned), [(topic, 0), (topic, 1)])
    target = found.members[0].target_assignment.topic_partitions
    equal(sorted((row.topic, row.partition) for row in target), [(topic, 0), (topic, 1)])
    listed = client.admin.list_consumer_groups().result(PATIENCE).valid
    rows = [(row.type.name, row.is_simple_consumer_group) for row in listed if row.group_id == group]
    equal(rows, [("CONSUMER", False)], "listed")
    delete = lambda: client.admin.delete_consumer_groups([group])[group].result(PATIENCE)  # noqa: E731
    equal(code_of(delete), KafkaError.NON_EMPTY_GROUP, "deletion while in use")
    close(member)
    delete()
    equal(code_of(delete), KafkaError.GROUP_ID_NOT_FOUND, "deletion of nothing")


@case("consumer_group")
def migration(bootstrap):
    """A classic group becomes a consumer group while it works, and the other way."""
    client = Client(bootstrap)
    topic, group = client.topic("migration", partitions=4), unique("group")
    old = {"partition_assignment_strategy": "cooperative-sticky"}
    kind = lambda: described(client, group).type.name  # noqa: E731
    classic = Member(client, group, topic, **old)
    settle([classic], [4])
    equal(kind(), "CLASSIC", "before")
    modern = Member(client, group, topic, **NEW)
    settle([classic, modern], [2, 2])
    equal(kind(), "CONSUMER", "with a member of each")
    client.produced(topic, [{"value": b"v", "partition": i % 4} for i in range(40)])
    got = read_all([classic, modern], 40)
    equal(got, [(p, o) for p in range(4) for o in range(10)], "each record once")
    close(classic)
    settle([modern], [4])
    classic = Member(client, group, topic, **old)
    settle([classic, modern], [2, 2])
    close(modern)
    settle([classic], [4])
    equal(kind(), "CLASSIC", "after the last modern member left")
    close(classic)


@case("consumer_group")
def migration_of_an_empty_group(bootstrap):
    client = Client(bootstrap)
    topic, group = client.topic("empty"), unique("group")
    client.produced(topic, numbered(30))
    for start, settings in ((0, {}), (10, NEW), (20, {})):
        consumer = client.consumer(group, **settings)
        consumer.subscribe([topic])
        records = drain(consumer, 10)
        equal(records[0].offset(), start, "first offset")
        consumer.commit(offsets=[TopicPartition(topic, 0, start + 10)], asynchronous=False)
        consumer.close()


@case("consumer_group")
def unknown_assignor(bootstrap):
    client = Client(bootstrap)
    topic, group = client.topic("assignor"), unique("group")
    more = NEW | {"group_remote_assignor": "nobody-has-this"}
    member = Member(client, group, topic, **more)

    def refused():
        record = member.consumer.poll(0.1)
        return record is not None and record.error() and "ssignor" in record.error().str()

    until("the refusal", refused)
    close(member)


@case("consumer_group", full=True)
def member_that_does_not_poll(bootstrap):
    """It leaves when its time for a poll is up, and the other takes over."""
    client = Client(bootstrap)
    topic, group = client.topic("silent", partitions=4), unique("group")
    quiet = Member(client, group, topic, max_poll_interval_ms=6000, **NEW)
    busy = Member(client, group, topic, **NEW)
    settle([quiet, busy], [2, 2])
    settle([busy], [4])
    close(busy)
