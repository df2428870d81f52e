"""Drives a broker with confluent-kafka, which is librdkafka. How to call it: see ../python/runner.py."""

import time

from client import (
    LARGEST_VALUE,
    Client,
    Member,
    code_of,
    drain,
    numbered,
    recently,
    settle,
    values,
)
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    ConsumerGroupTopicPartitions,
    ElectionType,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from runner import PATIENCE, case, equal, main, unique, until

# These register their cases.
import consumer_groups  # noqa: F401
import transactions  # noqa: F401

# produce


def check_acks(bootstrap, acks):
    client = Client(bootstrap)
    topic = client.topic("acks")
    client.produced(topic, numbered(500), acks=acks)
    equal(values(client.read(topic, 500)), [v for _, v in numbered(500)])


@case("produce")
def acks_none(bootstrap):
    check_acks(bootstrap, 0)


@case("produce")
def acks_leader(bootstrap):
    check_acks(bootstrap, 1)


@case("produce")
def acks_all(bootstrap):
    check_acks(bootstrap, -1)


def check_compression(bootstrap, codec):
    client = Client(bootstrap)
    topic = client.topic("codec")
    records = numbered(3000, 200)
    offsets = client.produced(topic, records, compression_type=codec, linger_ms=20)
    equal(offsets, list(range(3000)), "offsets")
    equal(values(client.read(topic, 3000)), [value for _, value in records])


@case("produce")
def compression_none(bootstrap):
    check_compression(bootstrap, "none")


@case("produce")
def compression_gzip(bootstrap):
    check_compression(bootstrap, "gzip")


@case("produce")
def compression_snappy(bootstrap):
    check_compression(bootstrap, "snappy")


@case("produce")
def compression_lz4(bootstrap):
    check_compression(bootstrap, "lz4")


@case("produce")
def compression_zstd(bootstrap):
    check_compression(bootstrap, "zstd")


@case("produce")
def headers(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("headers")
    sent = [("a", b"1"), ("b", None), ("a", b"2"), ("", b""), ("a", b"1")]
    client.produced(topic, [{"value": b"v", "headers": sent}, {"value": b"w"}])
    first, second = client.read(topic, 2)
    equal(first.headers(), sent, "headers")
    equal(second.headers(), None, "headers")


@case("produce")
def null_and_empty(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("null")
    pairs = [(None, None), (b"", b""), (None, b""), (b"", None), (b"k", None), (None, b"v")]
    client.produced(topic, pairs)
    got = [(record.key(), record.value()) for record in client.read(topic, len(pairs))]
    equal(got, pairs)


@case("produce")
def largest_record(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("largest")
    value = b"L" * LARGEST_VALUE
    client.produced(topic, [(None, value)], message_max_bytes=3000000)
    equal(values(client.read(topic, 1)) == [value], True, "the value comes back")


@case("produce")
def too_large_record(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("large")
    reports = client.produce(
        topic, [(None, b"L" * (LARGEST_VALUE + 1))], message_max_bytes=3000000
    )
    equal([error.code() for error, _ in reports], [KafkaError.MSG_SIZE_TOO_LARGE], "errors")
    equal(client.end(topic), 0, "end offset")


@case("produce")
def idempotent(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("idempotent")
    offsets = client.produced(
        topic, numbered(5000), enable_idempotence=True, batch_num_messages=50
    )
    equal(offsets, list(range(5000)), "offsets")
    equal(values(client.read(topic, 5000)), [v for _, v in numbered(5000)])


@case("produce")
def timestamps(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("created")
    sent = recently() + 123
    client.produced(topic, [{"value": b"v", "timestamp": sent}])
    equal(client.read(topic, 1)[0].timestamp(), (TIMESTAMP_CREATE_TIME, sent))
    topic = client.topic("appended", message_timestamp_type="LogAppendTime")
    before = time.time() * 1000
    client.produced(topic, [{"value": b"v", "timestamp": sent}])
    kind, at = client.read(topic, 1)[0].timestamp()
    equal(kind, TIMESTAMP_LOG_APPEND_TIME, "kind")
    assert before - 60000 < at < time.time() * 1000 + 60000, at


# consume


@case("consume")
def from_start(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("start")
    client.produced(topic, numbered(2000))
    records = client.read(topic, 2000)
    equal([record.offset() for record in records], list(range(2000)), "offsets")


@case("consume")
def from_end(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("end")
    client.produced(topic, numbered(100))
    consumer = client.consumer(enable_partition_eof=True)
    consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
    event = until("the end", lambda: consumer.poll(1))
    equal(event.error() and event.error().code(), KafkaError._PARTITION_EOF, "event")
    client.produced(topic, [(None, b"new")])
    record = until("a record", lambda: consumer.poll(1))
    equal((record.offset(), record.value()), (100, b"new"))
    consumer.close()


@case("consume")
def from_offset(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("offset")
    client.produced(topic, numbered(1000), linger_ms=50)
    for offset in (1, 499, 999):
        record = client.read(topic, 1, offset=offset)[0]
        equal((record.offset(), record.key()), (offset, b"k%d" % offset))


@case("consume")
def from_timestamp(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("time")
    base = recently()
    client.produced(
        topic, [{"value": b"v%d" % i, "timestamp": base + i * 1000} for i in range(100)]
    )
    consumer = client.consumer()

    def found(at):
        return consumer.offsets_for_times([TopicPartition(topic, 0, at)], PATIENCE)[0].offset

    equal(found(base), 0)
    equal(found(base + 41500), 42)
    equal(found(base + 99000), 99)
    equal(found(base + 99001), OFFSET_END)
    consumer.close()


@case("consume")
def empty_fetch(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("empty")
    consumer = client.consumer(enable_partition_eof=True, fetch_wait_max_ms=50)
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    event = until("the end", lambda: consumer.poll(1))
    equal(event.error().code(), KafkaError._PARTITION_EOF, "event")
    equal(consumer.poll(0.5), None, "nothing more")
    equal(consumer.get_watermark_offsets(TopicPartition(topic, 0), PATIENCE), (0, 0))
    consumer.close()


@case("consume")
def ten_segments(bootstrap):
    check_segments(bootstrap, (1, 65536, 1048576, 5000000))


@case("consume", full=True)
def ten_segments_many_sizes(bootstrap):
    check_segments(bootstrap, (7, 1000, 16383, 16384, 16385, 262144, 1048575, 1048577, 2097152))


def check_segments(bootstrap, sizes):
    client = Client(bootstrap)
    topic = client.topic("segments", segment_bytes=1048576)
    client.produced(topic, numbered(11000, 1000), batch_size=16384, linger_ms=20)
    for size in sizes:
        for limit in ("max.partition.fetch.bytes", "fetch.max.bytes"):
            # The client wants fetch.max.bytes to be at least message.max.bytes, at least 1000.
            least = 1000 if limit == "fetch.max.bytes" else 1
            settings = {limit: max(size, least), "message.max.bytes": 1000}
            records = client.read(topic, 11000, fetch_wait_max_ms=10, **settings)
            got = [record.offset() for record in records]
            equal(got, list(range(11000)), f"offsets with {limit}={size}")


@case("consume")
def list_offsets(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("offsets", partitions=2)
    where = TopicPartition(topic, 1)

    def ask(spec, **more):
        result = client.admin.list_offsets({where: spec}, **more)[where].result(PATIENCE)
        return result.offset, result.timestamp

    base = recently()
    equal(ask(OffsetSpec.latest()), (0, -1))
    equal(ask(OffsetSpec.max_timestamp()), (-1, -1))
    records = [
        {"value": b"v", "partition": 1, "timestamp": base + at} for at in (1000, 3000, 2000)
    ]
    client.produced(topic, records)
    equal(ask(OffsetSpec.earliest())[0], 0)
    equal(ask(OffsetSpec.latest())[0], 3)
    equal(ask(OffsetSpec.max_timestamp()), (1, base + 3000))
    equal(ask(OffsetSpec.for_timestamp(base + 1500)), (1, base + 3000))
    equal(ask(OffsetSpec.for_timestamp(base + 5000))[0], -1)
    committed = IsolationLevel.READ_COMMITTED
    equal(ask(OffsetSpec.latest(), isolation_level=committed)[0], 3)


@case("consume")
def out_of_range(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("range")
    client.produced(topic, numbered(10))
    equal(client.read(topic, 1, offset=5000)[0].offset(), 0)
    consumer = client.consumer(auto_offset_reset="error")
    consumer.assign([TopicPartition(topic, 0, 5000)])
    event = until("an error", lambda: consumer.poll(1))
    equal(event.error().code(), KafkaError._AUTO_OFFSET_RESET, "event")
    consumer.close()


# group


def check_rebalances(bootstrap, strategy):
    client = Client(bootstrap)
    topic = client.topic("rebalance", partitions=6)
    group = unique("group")
    more = {"partition_assignment_strategy": strategy}
    members = [Member(client, group, topic, **more)]
    settle(members, [6])
    members.append(Member(client, group, topic, **more))
    settle(members, [3, 3])
    if strategy == "cooperative-sticky":
        equal([len(gone) for gone in members[0].revoked], [3], "revoked")
    else:
        equal([len(gone) for gone in members[0].revoked], [6], "revoked")
    members.append(Member(client, group, topic, **more))
    settle(members, [2, 2, 2])
    sent = [{"value": b"%d" % i, "partition": i % 6} for i in range(120)]
    client.produced(topic, sent)

    def all_read():
        for member in members:
            member.poll()
        return sum(len(member.records) for member in members) >= 120

    until("all records", all_read)
    got = sorted(record for member in members for record in member.records)
    equal(got, [(p, o) for p in range(6) for o in range(20)], "each record once")
    members.pop(0).consumer.close()
    settle(members, [3, 3])
    for member in members:
        member.consumer.close()


@case("group")
def eager_range(bootstrap):
    check_rebalances(bootstrap, "range")


@case("group", full=True)
def eager_roundrobin(bootstrap):
    check_rebalances(bootstrap, "roundrobin")


@case("group")
def cooperative(bootstrap):
    check_rebalances(bootstrap, "cooperative-sticky")


@case("group")
def static_member(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("static", partitions=4)
    group = unique("group")
    first = Member(client, group, topic, group_instance_id="one")
    second = Member(client, group, topic, group_instance_id="two")
    settle([first, second], [2, 2])
    owned, revoked = set(second.owned), len(first.revoked)
    second.consumer.close()
    again = Member(client, group, topic, group_instance_id="two")
    settle([first, again], [2, 2])
    equal(again.owned, owned, "partitions of the member that came back")
    equal(len(first.revoked), revoked, "rebalances of the other")
    thief = Member(client, group, topic, group_instance_id="two")

    def fenced():
        first.poll()
        thief.poll()
        try:
            again.poll()
        except KafkaException:
            return True
        return False

    until("the older one is fenced", fenced)


@case("group")
def commit_and_resume(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("commit")
    group = unique("group")
    client.produced(topic, numbered(100))
    consumer = client.consumer(group)
    consumer.subscribe([topic])
    records = drain(consumer, 40)
    equal(consumer.committed([TopicPartition(topic, 0)], PATIENCE)[0].offset, -1001)
    where = TopicPartition(topic, 0, records[-1].offset() + 1, metadata="note")
    consumer.commit(offsets=[where], asynchronous=False)
    row = consumer.committed([TopicPartition(topic, 0)], PATIENCE)[0]
    equal((row.offset, row.metadata), (40, "note"), "committed")
    consumer.close()
    consumer = client.consumer(group)
    consumer.subscribe([topic])
    equal([record.offset() for record in drain(consumer, 60)], list(range(40, 100)), "offsets")
    consumer.close()


@case("group")
def auto_commit(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("auto")
    group = unique("group")
    client.produced(topic, numbered(50))
    consumer = client.consumer(group, enable_auto_commit=True, auto_commit_interval_ms=100)
    consumer.subscribe([topic])
    drain(consumer, 50)
    until("the commit", lambda: consumer.poll(0.05) or client.committed(group, topic) == 50)
    consumer.close()


@case("group")
def reset_offsets_and_lag(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("reset")
    group = unique("group")
    client.produced(topic, numbered(100))
    consumer = client.consumer(group)
    consumer.subscribe([topic])
    drain(consumer, 100)
    consumer.commit(asynchronous=False)
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 30)])
    busy = client.admin.alter_consumer_group_offsets([wanted])[group].result(PATIENCE)
    code = busy.topic_partitions[0].error
    equal(code and code.code(), KafkaError.UNKNOWN_MEMBER_ID, "a reset while in use")
    consumer.close()
    client.admin.alter_consumer_group_offsets([wanted])[group].result(PATIENCE)
    equal(client.end(topic) - client.committed(group, topic), 70, "lag")
    consumer = client.consumer(group)
    consumer.subscribe([topic])
    equal(drain(consumer, 1)[0].offset(), 30, "offset")
    consumer.close()


@case("group")
def describe_and_delete_group(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("describe", partitions=2)
    group = unique("group")
    member = Member(client, group, topic, client_id="the-client")
    settle([member], [2])
    found = client.admin.describe_consumer_groups([group])[group].result(PATIENCE)
    equal((found.state.name, found.partition_assignor), ("STABLE", "range"))
    equal([row.client_id for row in found.members], ["the-client"])
    assigned = found.members[0].assignment.topic_partitions
    equal(sorted((row.topic, row.partition) for row in assigned), [(topic, 0), (topic, 1)])
    listed = client.admin.list_consumer_groups().result(PATIENCE)
    equal(group in [row.group_id for row in listed.valid], True, "the group is listed")
    delete = lambda: client.admin.delete_consumer_groups([group])[group].result(PATIENCE)  # noqa: E731
    equal(code_of(delete), KafkaError.NON_EMPTY_GROUP, "deletion while in use")
    member.consumer.close()
    delete()
    equal(code_of(delete), KafkaError.GROUP_ID_NOT_FOUND, "deletion of nothing")


# admin


@case("admin")
def topic_lifecycle(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("life", partitions=3)
    found = client.admin.list_topics(timeout=PATIENCE).topics[topic]
    equal(sorted(found.partitions), [0, 1, 2], "partitions")
    for row in found.partitions.values():
        equal((row.replicas, row.isrs), ([row.leader], [row.leader]), "replicas")
    client.produced(topic, numbered(10))
    client.admin.delete_topics([topic])[topic].result(PATIENCE)
    until("the topic is gone", lambda: client.partitions(topic) == 0)
    delete = lambda: client.admin.delete_topics([topic])[topic].result(PATIENCE)  # noqa: E731
    equal(code_of(delete), KafkaError.UNKNOWN_TOPIC_OR_PART, "deletion of nothing")
    again = NewTopic(topic, num_partitions=1)
    client.admin.create_topics([again])[topic].result(PATIENCE)
    until("the topic is back", lambda: client.partitions(topic) == 1)
    equal(client.end(topic), 0, "a new topic is empty")


@case("admin")
def topic_defaults(bootstrap):
    client = Client(bootstrap)
    name = unique("defaults")
    new = NewTopic(name, num_partitions=-1, replication_factor=-1)
    client.admin.create_topics([new])[name].result(PATIENCE)
    until("the topic is there", lambda: client.partitions(name) >= 1)


@case("admin")
def topic_refusals(bootstrap):
    client = Client(bootstrap)
    taken = client.topic("taken")

    def refused(name, **more):
        new = NewTopic(name, **({"num_partitions": 1} | more))
        return code_of(lambda: client.admin.create_topics([new])[name].result(PATIENCE))

    equal(refused(taken), KafkaError.TOPIC_ALREADY_EXISTS)
    equal(refused("no/slash"), KafkaError.TOPIC_EXCEPTION)
    equal(refused(unique("rf"), replication_factor=3), KafkaError.INVALID_REPLICATION_FACTOR)
    equal(refused(unique("zero"), num_partitions=0), KafkaError.INVALID_PARTITIONS)
    wrong = {"retention.ms": "soon"}
    equal(refused(unique("config"), config=wrong), KafkaError.INVALID_CONFIG)
    wrong = {"no.such.config": "1"}
    equal(refused(unique("config"), config=wrong), KafkaError.INVALID_CONFIG)
    name = unique("dry")
    new = NewTopic(name, num_partitions=2)
    client.admin.create_topics([new], validate_only=True)[name].result(PATIENCE)
    equal(client.partitions(name), 0, "validation made nothing")


@case("admin")
def partition_growth(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("grow")

    def grow(count):
        asked = client.admin.create_partitions([NewPartitions(topic, count)])
        return code_of(lambda: asked[topic].result(PATIENCE))

    equal(grow(4), KafkaError.NO_ERROR)
    until("the partitions are there", lambda: client.partitions(topic) == 4)
    equal(grow(4), KafkaError.INVALID_PARTITIONS, "no growth")
    equal(grow(2), KafkaError.INVALID_PARTITIONS, "shrinking")
    client.produced(topic, [{"value": b"v", "partition": 3}])
    equal(values(client.read(topic, 1, partition=3)), [b"v"])


@case("admin")
def auto_create(bootstrap):
    client = Client(bootstrap)
    topic = unique("first-use")
    client.produced(topic, numbered(5))
    equal(values(client.read(topic, 5)), [v for _, v in numbered(5)])


@case("admin")
def configs(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("configs", retention_ms=1234567)
    resource = ConfigResource(ResourceType.TOPIC, topic)

    def described(resource=resource):
        return client.admin.describe_configs([resource])[resource].result(PATIENCE)

    found = described()
    equal(len(found) >= 30, True, "a topic has many configurations")
    equal((found["retention.ms"].value, found["retention.ms"].is_default), ("1234567", False))
    equal((found["cleanup.policy"].value, found["cleanup.policy"].is_default), ("delete", True))
    change = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[
            ConfigEntry(
                "retention.ms", "7654321", incremental_operation=AlterConfigOpType.SET
            ),
            ConfigEntry(
                "cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND
            ),
        ],
    )
    client.admin.incremental_alter_configs([change])[change].result(PATIENCE)
    until("the value", lambda: described()["retention.ms"].value == "7654321")
    equal(set(described()["cleanup.policy"].value.split(",")), {"delete", "compact"})
    wrong = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[
            ConfigEntry("retention.ms", "x", incremental_operation=AlterConfigOpType.SET)
        ],
    )
    alter = client.admin.incremental_alter_configs([wrong])[wrong]
    equal(code_of(lambda: alter.result(PATIENCE)), KafkaError.INVALID_CONFIG)
    legacy = ConfigResource(ResourceType.TOPIC, topic, set_config={"retention.bytes": "99999"})
    client.admin.alter_configs([legacy])[legacy].result(PATIENCE)
    until("the value", lambda: described()["retention.bytes"].value == "99999")
    equal(described()["retention.ms"].is_default, True, "the old call replaces everything")
    node = client.admin.list_topics(timeout=PATIENCE).controller_id
    broker = described(ConfigResource(ResourceType.BROKER, str(node)))
    equal("log.retention.hours" in broker and "num.partitions" in broker, True)
    equal(len(broker) >= 200, True, "a broker has many configurations")


@case("admin")
def cluster(bootstrap):
    client = Client(bootstrap)
    found = client.admin.describe_cluster().result(PATIENCE)
    equal(len(found.nodes), 1, "nodes")
    equal(f"{found.nodes[0].host}:{found.nodes[0].port}".split(":")[-1], bootstrap.split(":")[-1])
    equal(len(found.cluster_id) >= 16, True, "cluster id")
    equal(found.controller.id, found.nodes[0].id, "controller")


@case("admin")
def describe_topics(bootstrap):
    client = Client(bootstrap)
    from confluent_kafka import TopicCollection

    topic = client.topic("describe", partitions=2)
    found = client.admin.describe_topics(TopicCollection([topic]))[topic].result(PATIENCE)
    equal((found.name, found.is_internal, len(found.partitions)), (topic, False, 2))
    missing = unique("missing")
    asked = client.admin.describe_topics(TopicCollection([missing]))[missing]
    equal(code_of(lambda: asked.result(PATIENCE)), KafkaError.UNKNOWN_TOPIC_OR_PART)


@case("admin")
def delete_records(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("trim")
    client.produced(topic, numbered(100))
    where = TopicPartition(topic, 0, 60)
    done = client.admin.delete_records([where])[where].result(PATIENCE)
    equal(done.low_watermark, 60, "low watermark")
    equal(client.end(topic, spec=OffsetSpec.earliest()), 60, "earliest")
    equal(client.read(topic, 1)[0].offset(), 60, "first record")
    where = TopicPartition(topic, 0, 1000)
    beyond = client.admin.delete_records([where])[where]
    equal(code_of(lambda: beyond.result(PATIENCE)), KafkaError.OFFSET_OUT_OF_RANGE)


@case("admin")
def elect_leaders(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("elect")
    where = TopicPartition(topic, 0)
    result = client.admin.elect_leaders(ElectionType.PREFERRED, [where]).result(PATIENCE)
    equal(result[where].code(), KafkaError.ELECTION_NOT_NEEDED)


@case("admin", full=True)
def retention(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("retention", retention_ms=1000, segment_ms=500)
    client.produced(topic, numbered(100))
    until("the records expire", lambda: client.end(topic, spec=OffsetSpec.earliest()) == 100)
    equal(client.end(topic), 100, "end offset")


@case("admin", full=True)
def compaction(bootstrap):
    client = Client(bootstrap)
    topic = client.topic(
        "compact",
        cleanup_policy="compact",
        segment_ms=200,
        min_cleanable_dirty_ratio=0.01,
        max_compaction_lag_ms=200,
    )
    for round_number in range(20):
        client.produced(topic, [(b"k%d" % i, b"%d" % round_number) for i in range(5)])

    def compacted():
        client.produced(topic, [(b"tick", b"t")])
        records = client.read(topic, 1, enable_partition_eof=False)
        if records[0].offset() < 95:
            return False
        rest = client.read(topic, 5)
        return [record.offset() for record in rest] == [95, 96, 97, 98, 99]

    until("only the last values are left", compacted)


if __name__ == "__main__":
    main()
