"""Drives a broker with kafka-python. How to call it: see ../python/runner.py."""

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition  # noqa: E402
from kafka import errors  # noqa: E402
from kafka.admin import ConfigResource, ConfigResourceType  # noqa: E402
from kafka.consumer.subscription_state import ConsumerRebalanceListener  # noqa: E402
from kafka.coordinator.assignors.range import RangePartitionAssignor  # noqa: E402
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor  # noqa: E402
from kafka.structs import OffsetAndMetadata  # noqa: E402
from runner import PATIENCE, case, equal, main, unique, until  # noqa: E402

# On Apache Kafka too, the poll of a consumer whose group rebalances now and then never returns: its
# thread spins in the client's selector. Cases of groups are tried again then, after these seconds.
HANG_SECONDS = 8.0
TRIES = 4

# A batch may have 1048588 bytes by default; header and framing of one record without key take 72.
LARGEST_VALUE = 1048588 - 72


class Client:
    """What most cases need."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)

    def topic(self, prefix, partitions=1, **configs):
        name = unique(prefix)
        configs = {key.replace("_", "."): str(value) for key, value in configs.items()}
        options = {"num_partitions": partitions, "configs": configs}
        self.admin.create_topics({name: options}, wait_for_metadata=True)
        return name

    def produced(self, topic, records, **settings):
        """Produces (key, value) or a dict for each record; returns the offsets."""
        settings = {"max_request_size": 3000000} | settings
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, **settings)
        pending = []
        for record in records:
            if isinstance(record, tuple):
                record = {"key": record[0], "value": record[1]}
            pending.append(producer.send(topic, **record))
        try:
            return [future.get(PATIENCE).offset for future in pending]
        finally:
            producer.close()

    def consumer(self, *topics, **settings):
        settings = {
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "fetch_max_wait_ms": 100,
        } | settings
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, **settings)
        if topics:
            # A first join without the topic's partitions is followed by a second one, in which the
            # client hangs at times.
            until("partitions", lambda: all(map(consumer.partitions_for_topic, topics)))
            consumer.subscribe(topics)
        return consumer

    def read(self, topic, count, offset=None, partition=0, **settings):
        consumer = self.consumer(**settings)
        where = TopicPartition(topic, partition)
        consumer.assign([where])
        if offset is None:
            consumer.seek_to_beginning(where)
        else:
            consumer.seek(where, offset)
        records = drain(consumer, count)
        consumer.close()
        return records

    def partitions(self, topic):
        rows = [row for row in self.admin.describe_topics() if row["name"] == topic]
        return len(rows[0]["partitions"]) if rows else 0


def drain(consumer, count):
    records = []
    end = time.monotonic() + PATIENCE
    while len(records) < count:
        assert time.monotonic() < end, f"{len(records)} of {count} records"
        for rows in consumer.poll(100).values():
            records.extend(rows)
    return records


def error_of(call):
    """The class of the error with which a call ends."""
    try:
        call()
    except errors.KafkaError as error:
        return type(error)
    return None


def recently():
    """A time that retention does not touch, in ms."""
    return int(time.time() * 1000) - 3600000


def numbered(count, size=0):
    return [(b"k%d" % i, b"v%d" % i + b"x" * size) for i in range(count)]


def values(records):
    return [record.value for record in records]


# produce


def check_acks(bootstrap, acks):
    client = Client(bootstrap)
    topic = client.topic("acks")
    client.produced(topic, numbered(300), acks=acks)
    equal(values(client.read(topic, 300)), [value for _, value in numbered(300)])


@case("produce")
def acks_none(bootstrap):
    check_acks(bootstrap, 0)


@case("produce")
def acks_leader(bootstrap):
    check_acks(bootstrap, 1)


@case("produce")
def acks_all(bootstrap):
    check_acks(bootstrap, "all")


def check_compression(bootstrap, codec):
    client = Client(bootstrap)
    topic = client.topic("codec")
    records = numbered(1000, 200)
    offsets = client.produced(topic, records, compression_type=codec, linger_ms=20)
    equal(offsets, list(range(1000)), "offsets")
    equal(values(client.read(topic, 1000)), [value for _, value in records])


@case("produce")
def compression_none(bootstrap):
    check_compression(bootstrap, None)


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
    sent = [("a", b"1"), ("b", b""), ("a", b"2"), ("", b"x"), ("a", b"1")]
    client.produced(topic, [{"value": b"v", "headers": sent}, {"value": b"w"}])
    first, second = client.read(topic, 2)
    equal(list(first.headers), sent, "headers")
    equal(list(second.headers), [], "headers")


@case("produce")
def null_and_empty(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("null")
    pairs = [(None, b""), (b"", b""), (b"", None), (b"k", None), (None, b"v")]
    client.produced(topic, pairs)
    got = [(record.key, record.value) for record in client.read(topic, len(pairs))]
    equal(got, pairs)


@case("produce")
def largest_record(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("largest")
    value = b"L" * LARGEST_VALUE
    client.produced(topic, [(None, value)])
    equal(values(client.read(topic, 1)) == [value], True, "the value comes back")


@case("produce")
def too_large_record(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("large")
    large = [(None, b"L" * (LARGEST_VALUE + 1))]
    equal(error_of(lambda: client.produced(topic, large)), errors.MessageSizeTooLargeError)


@case("produce")
def idempotent(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("idempotent")
    offsets = client.produced(topic, numbered(2000), enable_idempotence=True, batch_size=500)
    equal(offsets, list(range(2000)), "offsets")
    equal(values(client.read(topic, 2000)), [value for _, value in numbered(2000)])


@case("produce")
def timestamps(bootstrap):
    client = Client(bootstrap)
    sent = recently() + 123
    topic = client.topic("created")
    client.produced(topic, [{"value": b"v", "timestamp_ms": sent}])
    record = client.read(topic, 1)[0]
    equal((record.timestamp_type, record.timestamp), (0, sent))
    topic = client.topic("appended", message_timestamp_type="LogAppendTime")
    client.produced(topic, [{"value": b"v", "timestamp_ms": sent}])
    record = client.read(topic, 1)[0]
    equal((record.timestamp_type, record.timestamp > sent), (1, True))


# consume


@case("consume")
def from_start(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("start")
    client.produced(topic, numbered(2000))
    equal([r.offset for r in client.read(topic, 2000)], list(range(2000)), "offsets")


@case("consume")
def from_end(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("end")
    client.produced(topic, numbered(50))
    consumer = client.consumer()
    where = TopicPartition(topic, 0)
    consumer.assign([where])
    consumer.seek_to_end(where)
    equal(consumer.position(where), 50, "position")
    client.produced(topic, [(None, b"new")])
    record = drain(consumer, 1)[0]
    equal((record.offset, record.value), (50, b"new"))
    consumer.close()


@case("consume")
def from_offset(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("offset")
    client.produced(topic, numbered(1000), linger_ms=50)
    for offset in (1, 499, 999):
        record = client.read(topic, 1, offset=offset)[0]
        equal((record.offset, record.key), (offset, b"k%d" % offset))


@case("consume")
def from_timestamp(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("time")
    base = recently()
    rows = [{"value": b"v", "timestamp_ms": base + i * 1000} for i in range(100)]
    client.produced(topic, rows)
    consumer = client.consumer()
    where = TopicPartition(topic, 0)

    def found(at):
        row = consumer.offsets_for_times({where: at})[where]
        return row and (row.offset, row.timestamp)

    equal(found(base), (0, base))
    equal(found(base + 41500), (42, base + 42000))
    equal(found(base + 99000), (99, base + 99000))
    equal(found(base + 99001), None)
    consumer.close()


@case("consume")
def empty_fetch(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("empty")
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, 0)])
    equal(consumer.poll(600), {}, "records")
    client.produced(topic, [(None, b"v")])
    equal(values(drain(consumer, 1)), [b"v"])
    consumer.close()


@case("consume")
def ten_segments(bootstrap):
    check_segments(bootstrap, (1, 1048576))


@case("consume", full=True)
def ten_segments_many_sizes(bootstrap):
    check_segments(bootstrap, (16384, 65536, 262144, 1048577))


def check_segments(bootstrap, sizes):
    client = Client(bootstrap)
    topic = client.topic("segments", segment_bytes=1048576)
    client.produced(topic, numbered(1100, 10000), linger_ms=5)
    for size in sizes:
        settings = {"max_partition_fetch_bytes": size, "fetch_max_wait_ms": 10}
        offsets = [record.offset for record in client.read(topic, 1100, **settings)]
        equal(offsets, list(range(1100)), f"offsets with {size} bytes")
        settings = {"fetch_max_bytes": size, "fetch_max_wait_ms": 10}
        offsets = [record.offset for record in client.read(topic, 1100, **settings)]
        equal(offsets, list(range(1100)), f"offsets with {size} bytes in all")


@case("consume")
def list_offsets(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("offsets", partitions=2)
    client.produced(topic, [{"value": b"v", "partition": 1}] * 3)
    consumer = client.consumer()
    rows = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    equal(consumer.beginning_offsets(rows), {rows[0]: 0, rows[1]: 0})
    equal(consumer.end_offsets(rows), {rows[0]: 0, rows[1]: 3})
    consumer.close()


@case("consume")
def out_of_range(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("range")
    client.produced(topic, numbered(10))
    equal(client.read(topic, 1, offset=5000)[0].offset, 0)
    consumer = client.consumer(auto_offset_reset="none")
    where = TopicPartition(topic, 0)
    consumer.assign([where])
    consumer.seek(where, 5000)
    equal(error_of(lambda: drain(consumer, 1)), errors.OffsetOutOfRangeError)
    consumer.close()


# group


class Member(ConsumerRebalanceListener):
    """One consumer of a group, polled by a thread, that remembers what was revoked."""

    def __init__(self, client, group, topic, **settings):
        self.owned, self.revoked, self.records = set(), [], []
        self.ending = threading.Event()
        self.consumer = client.consumer(
            group_id=group, heartbeat_interval_ms=200, session_timeout_ms=6000, **settings
        )
        until("partitions", lambda: self.consumer.partitions_for_topic(topic))
        self.consumer.subscribe([topic], listener=self)
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()

    def on_partitions_revoked(self, revoked):
        self.revoked.append({row.partition for row in revoked})

    def on_partitions_assigned(self, assigned):
        pass

    def poll(self):
        # Only this thread touches the consumer, which is not made for several.
        while not self.ending.is_set():
            self.owned = {row.partition for row in self.consumer.assignment()}
            for rows in self.consumer.poll(50).values():
                self.records.extend((row.partition, row.offset) for row in rows)

    def close(self):
        self.ending.set()
        self.thread.join(PATIENCE)
        self.consumer.close()


def settle(members, sizes):
    def done():
        time.sleep(0.01)
        owned = [member.owned for member in members]
        shared = len(set().union(*owned)) == sum(sizes) == sum(map(len, owned))
        return shared and sorted(map(len, owned)) == sorted(sizes)

    until(f"assignment {sizes}", done, HANG_SECONDS)


def check_rebalances(bootstrap, assignor):
    client = Client(bootstrap)
    topic = client.topic("rebalance", partitions=6)
    group = unique("group")
    more = {"partition_assignment_strategy": [assignor]}
    members = [Member(client, group, topic, **more)]
    settle(members, [6])
    members.append(Member(client, group, topic, **more))
    settle(members, [3, 3])
    members.append(Member(client, group, topic, **more))
    settle(members, [2, 2, 2])
    client.produced(topic, [{"value": b"v", "partition": i % 6} for i in range(120)])

    def all_read():
        time.sleep(0.01)
        return sum(len(member.records) for member in members) >= 120

    until("all records", all_read)
    got = sorted(record for member in members for record in member.records)
    equal(got, [(p, o) for p in range(6) for o in range(20)], "each record once")
    members.pop(0).close()
    settle(members, [3, 3])
    for member in members:
        member.close()


@case("group", tries=TRIES)
def eager_range(bootstrap):
    check_rebalances(bootstrap, RangePartitionAssignor)


@case("group", full=True, tries=TRIES)
def eager_roundrobin(bootstrap):
    check_rebalances(bootstrap, RoundRobinPartitionAssignor)


@case("group", full=True, tries=TRIES)
def cooperative(bootstrap):
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

    check_rebalances(bootstrap, CooperativeStickyAssignor)


@case("group", tries=TRIES)
def static_member(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("static", partitions=4)
    group = unique("group")
    first = Member(client, group, topic, group_instance_id="one")
    second = Member(client, group, topic, group_instance_id="two")
    settle([first, second], [2, 2])
    owned, revoked = second.owned, len(first.revoked)
    second.close()
    again = Member(client, group, topic, group_instance_id="two")
    settle([first, again], [2, 2])
    equal(again.owned, owned, "partitions of the member that came back")
    equal(len(first.revoked), revoked, "rebalances of the other")
    first.close()
    again.close()


@case("group")
def commit_and_resume(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("commit")
    group = unique("group")
    client.produced(topic, numbered(100))
    where = TopicPartition(topic, 0)
    consumer = client.consumer(topic, group_id=group, max_poll_records=40)
    equal(len(drain(consumer, 40)), 40)
    equal(consumer.committed(where), None)
    consumer.commit({where: OffsetAndMetadata(40, "note", -1)})
    row = consumer.committed(where, metadata=True)
    equal((row.offset, row.metadata), (40, "note"), "committed")
    consumer.close()
    consumer = client.consumer(topic, group_id=group)
    equal([record.offset for record in drain(consumer, 60)], list(range(40, 100)))
    consumer.close()


@case("group")
def auto_commit(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("auto")
    group = unique("group")
    client.produced(topic, numbered(50))
    where = TopicPartition(topic, 0)
    more = {"enable_auto_commit": True, "auto_commit_interval_ms": 100}
    consumer = client.consumer(topic, group_id=group, **more)
    drain(consumer, 50)
    until("the commit", lambda: consumer.poll(50) or consumer.committed(where) == 50)
    consumer.close()


@case("group")
def reset_offsets_and_lag(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("reset")
    group = unique("group")
    client.produced(topic, numbered(100))
    where = TopicPartition(topic, 0)
    consumer = client.consumer(topic, group_id=group)
    drain(consumer, 100)
    consumer.commit()
    wanted = {where: OffsetAndMetadata(30, "", -1)}
    busy = client.admin.alter_group_offsets(group, wanted)[where]
    equal(busy, errors.UnknownMemberIdError, "a reset while in use")
    end = consumer.end_offsets([where])[where]
    consumer.close()
    done = client.admin.alter_group_offsets(group, wanted)[where]
    equal(done, errors.NoError, "a reset")
    found = client.admin.list_group_offsets({group: [where]})[group][where]
    equal(end - found.offset, 70, "lag")
    consumer = client.consumer(topic, group_id=group)
    equal(drain(consumer, 1)[0].offset, 30)
    consumer.close()


@case("group", tries=TRIES)
def describe_and_delete_group(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("describe", partitions=2)
    group = unique("group")
    member = Member(client, group, topic, client_id="the-client")
    settle([member], [2])
    found = client.admin.describe_groups([group])[group]
    equal((found["group_state"], found["protocol_data"]), ("Stable", "range"))
    equal([row["client_id"] for row in found["members"]], ["the-client"])
    listed = [row["group_id"] for row in client.admin.list_groups()]
    equal(group in listed, True, "the group is listed")
    refused = client.admin.delete_groups([group])
    equal("NonEmptyGroup" in str(refused), True, f"deletion while in use: {refused}")
    member.close()
    done = client.admin.delete_groups([group])
    equal("NonEmptyGroup" in str(done), False, f"deletion: {done}")
    gone = client.admin.delete_groups([group])
    equal("GroupIdNotFound" in str(gone), True, f"deletion of nothing: {gone}")


# admin


@case("admin")
def topic_lifecycle(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("life", partitions=3)
    equal(client.partitions(topic), 3)
    client.produced(topic, numbered(10))
    client.admin.delete_topics([topic])
    until("the topic is gone", lambda: client.partitions(topic) == 0)
    gone = error_of(lambda: client.admin.delete_topics([topic]))
    equal(gone, errors.UnknownTopicOrPartitionError, "deletion of nothing")


@case("admin")
def topic_defaults(bootstrap):
    client = Client(bootstrap)
    name = unique("defaults")
    client.admin.create_topics([name], wait_for_metadata=True)
    equal(client.partitions(name) >= 1, True)


@case("admin")
def topic_refusals(bootstrap):
    client = Client(bootstrap)
    taken = client.topic("taken")

    def refused(name, **options):
        return error_of(lambda: client.admin.create_topics({name: options}))

    equal(refused(taken), errors.TopicAlreadyExistsError)
    equal(refused("no/slash"), errors.InvalidTopicError)
    equal(refused(unique("rf"), replication_factor=3), errors.InvalidReplicationFactorError)
    equal(refused(unique("zero"), num_partitions=0), errors.InvalidPartitionsError)
    wrong = {"retention.ms": "soon"}
    equal(refused(unique("config"), configs=wrong), errors.InvalidConfigurationError)


@case("admin")
def partition_growth(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("grow")
    client.admin.create_partitions({topic: 4})
    until("the partitions are there", lambda: client.partitions(topic) == 4)
    shrink = error_of(lambda: client.admin.create_partitions({topic: 2}))
    equal(shrink, errors.InvalidPartitionsError)


@case("admin")
def auto_create(bootstrap):
    client = Client(bootstrap)
    topic = unique("first-use")
    client.produced(topic, numbered(5))
    equal(values(client.read(topic, 5)), [value for _, value in numbered(5)])


@case("admin")
def configs(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("configs", retention_ms=1234567)

    def described():
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        found = client.admin.describe_configs([resource], config_filter="all")
        return {k: row["value"] for k, row in found["topic"][topic].items()}

    equal(len(described()) >= 30, True, "a topic has many configurations")
    equal(described()["retention.ms"], "1234567")
    change = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "7654321"})
    client.admin.alter_configs([change])
    until("the value", lambda: described()["retention.ms"] == "7654321")
    change = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.bytes": "99999"})
    client.admin.alter_configs([change], incremental=False)
    until("the value", lambda: described()["retention.bytes"] == "99999")


@case("admin")
def cluster(bootstrap):
    client = Client(bootstrap)
    found = client.admin.describe_cluster()
    equal(len(found["brokers"]), 1, "brokers")
    equal(len(found["cluster_id"]) >= 16, True, "cluster id")
    features = client.admin.describe_features()
    equal("finalized" in features["metadata.version"], True, f"{features}")
    quorum = client.admin.describe_metadata_quorum()
    equal("__cluster_metadata" in str(quorum), True, f"{quorum}")


@case("admin")
def log_dirs(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("dirs")
    client.produced(topic, numbered(100, 100))
    equal(topic in str(client.admin.describe_log_dirs([topic])), True, "the topic is listed")


@case("admin")
def delete_records(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("trim")
    client.produced(topic, numbered(100))
    where = TopicPartition(topic, 0)
    client.admin.delete_records({where: 60})
    equal(client.read(topic, 1)[0].offset, 60, "first record")
    beyond = error_of(lambda: client.admin.delete_records({where: 1000}))
    equal(beyond, errors.OffsetOutOfRangeError)


@case("admin")
def describe_producers(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("producers")
    client.produced(topic, numbered(10), enable_idempotence=True)
    where = TopicPartition(topic, 0)
    found = client.admin.describe_producers([where])
    equal("last_sequence" in str(found), True, f"{found}")


@case("admin")
def elect_leaders(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("elect")
    result = client.admin.elect_leaders(0, [topic]).replica_election_results
    equal([row.error_code for rows in result for row in rows.partition_result], [84])


# transaction


def transactional(client, transactional_id=None, **settings):
    name = transactional_id or unique("txn")
    producer = KafkaProducer(
        bootstrap_servers=client.bootstrap, transactional_id=name, **settings
    )
    producer.init_transactions()
    return producer


def transact(producer, topic, name, keep=True, records=5):
    producer.begin_transaction()
    pending = [producer.send(topic, b"%s%d" % (name, i), partition=0) for i in range(records)]
    for one in pending:
        one.get(PATIENCE)
    if keep:
        producer.commit_transaction()
    else:
        producer.abort_transaction()


def committed(client, topic, count):
    return values(client.read(topic, count, isolation_level="read_committed"))


def named(*names, records=5):
    return [b"%s%d" % (name, i) for name in names for i in range(records)]


@case("transaction")
def commit_and_abort(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("transaction")
    producer = transactional(client)
    transact(producer, topic, b"a")
    transact(producer, topic, b"b", keep=False)
    transact(producer, topic, b"c")
    producer.close()
    equal(committed(client, topic, 10), named(b"a", b"c"), "committed")
    equal(values(client.read(topic, 15)), named(b"a", b"b", b"c"), "all")


@case("transaction")
def many_transactions(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("many")
    producer = transactional(client)
    for i in range(30):
        transact(producer, topic, b"t%d-" % i, keep=i % 2 == 0)
    producer.close()
    expected = named(*(b"t%d-" % i for i in range(0, 30, 2)))
    equal(committed(client, topic, len(expected)), expected)


@case("transaction")
def fencing(bootstrap):
    client = Client(bootstrap)
    topic, name = client.topic("fencing"), unique("txn")
    first = transactional(client, name)
    transact(first, topic, b"a")
    first.begin_transaction()
    first.send(topic, b"lost", partition=0).get(PATIENCE)
    second = transactional(client, name)
    transact(second, topic, b"b")
    refused = (errors.ProducerFencedError, errors.InvalidProducerEpochError)
    equal(error_of(first.commit_transaction) in refused, True, "the older one is fenced")
    second.close()
    equal(committed(client, topic, 10), named(b"a", b"b"))


@case("transaction")
def list_and_describe(bootstrap):
    client = Client(bootstrap)
    topic, name = client.topic("described"), unique("txn")
    producer = transactional(client, name)
    producer.begin_transaction()
    producer.send(topic, b"v", partition=0).get(PATIENCE)
    found = repr(client.admin.describe_transactions([name]))
    equal("Ongoing" in found and topic in found, True, found)
    equal(name in repr(client.admin.list_transactions()), True, "listed")
    producer.abort_transaction()
    producer.close()


if __name__ == "__main__":
    main()
