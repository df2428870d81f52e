"""Drives a broker with aiokafka. How to call it: see ../python/runner.py."""

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

from aiokafka import (  # noqa: E402
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    TopicPartition,
    errors,
)
from aiokafka.admin import (  # noqa: E402
    AIOKafkaAdminClient,
    NewPartitions,
    NewTopic,
    RecordsToDelete,
)
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType  # noqa: E402
from aiokafka.coordinator.assignors.range import RangePartitionAssignor  # noqa: E402
from aiokafka.coordinator.assignors.roundrobin import (  # noqa: E402
    RoundRobinPartitionAssignor,
)
from aiokafka.coordinator.assignors.sticky.sticky_assignor import (  # noqa: E402
    StickyPartitionAssignor,
)
from aiokafka.structs import OffsetAndMetadata  # noqa: E402
from runner import PATIENCE, case, equal, main, unique  # noqa: E402

# A batch may have 1048588 bytes by default; header and framing of one record without key take 72.
LARGEST_VALUE = 1048588 - 72


@asynccontextmanager
async def admin(bootstrap):
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def make(bootstrap, prefix, partitions=1, **configs):
    name = unique(prefix)
    configs = {key.replace("_", "."): str(value) for key, value in configs.items()}
    async with admin(bootstrap) as client:
        await client.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        await until("the topic is there", lambda: count(client, name, partitions))
    return name


async def count(client, topic, expected):
    found = await client.describe_topics([topic])
    return found[0]["error_code"] == 0 and len(found[0]["partitions"]) == expected


async def until(what, attempt):
    """Awaits what `attempt` gives until it is true."""
    end = time.monotonic() + PATIENCE
    while True:
        result = attempt()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < end, f"gave up after {PATIENCE} s: {what}"
        await asyncio.sleep(0.02)


async def produced(bootstrap, topic, records, **settings):
    """Produces (key, value) or a dict for each record; returns the offsets."""
    settings = {"max_request_size": 3000000, "acks": "all"} | settings
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **settings)
    await producer.start()
    try:
        pending = []
        for record in records:
            if isinstance(record, tuple):
                record = {"key": record[0], "value": record[1]}
            pending.append(await producer.send(topic, **record))
        done = await asyncio.wait_for(asyncio.gather(*pending), PATIENCE)
        return [row.offset for row in done if row]
    finally:
        await producer.stop()


@asynccontextmanager
async def consuming(bootstrap, *topics, **settings):
    settings = {
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "fetch_max_wait_ms": 100,
    } | settings
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, **settings)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def drain(consumer, wanted):
    records = []
    end = time.monotonic() + PATIENCE
    while len(records) < wanted:
        assert time.monotonic() < end, f"{len(records)} of {wanted} records"
        found = await consumer.getmany(timeout_ms=100, max_records=wanted - len(records))
        for rows in found.values():
            records.extend(rows)
    return records


async def read(bootstrap, topic, wanted, offset=None, partition=0, **settings):
    async with consuming(bootstrap, **settings) as consumer:
        where = TopicPartition(topic, partition)
        consumer.assign([where])
        if offset is None:
            await consumer.seek_to_beginning(where)
        else:
            consumer.seek(where, offset)
        return await drain(consumer, wanted)


async def error_of(awaitable):
    try:
        await awaitable
    except errors.KafkaError as error:
        return type(error)
    return None


def recently():
    """A time that retention does not touch, in ms."""
    return int(time.time() * 1000) - 3600000


def numbered(total, size=0):
    return [(b"k%d" % i, b"v%d" % i + b"x" * size) for i in range(total)]


def values(records):
    return [record.value for record in records]


# produce


async def check_acks(bootstrap, acks):
    topic = await make(bootstrap, "acks")
    more = {"enable_idempotence": False}
    await produced(bootstrap, topic, numbered(300), acks=acks, **more)
    equal(values(await read(bootstrap, topic, 300)), [v for _, v in numbered(300)])


@case("produce")
def acks_none(bootstrap):
    return check_acks(bootstrap, 0)


@case("produce")
def acks_leader(bootstrap):
    return check_acks(bootstrap, 1)


@case("produce")
def acks_all(bootstrap):
    return check_acks(bootstrap, "all")


async def check_compression(bootstrap, codec):
    topic = await make(bootstrap, "codec")
    records = numbered(1000, 200)
    offsets = await produced(
        bootstrap, topic, records, compression_type=codec, linger_ms=20
    )
    equal(offsets, list(range(1000)), "offsets")
    equal(values(await read(bootstrap, topic, 1000)), [value for _, value in records])


@case("produce")
def compression_none(bootstrap):
    return check_compression(bootstrap, None)


@case("produce")
def compression_gzip(bootstrap):
    return check_compression(bootstrap, "gzip")


@case("produce")
def compression_snappy(bootstrap):
    return check_compression(bootstrap, "snappy")


@case("produce")
def compression_lz4(bootstrap):
    return check_compression(bootstrap, "lz4")


@case("produce")
def compression_zstd(bootstrap):
    return check_compression(bootstrap, "zstd")


@case("produce")
async def headers(bootstrap):
    topic = await make(bootstrap, "headers")
    sent = [("a", b"1"), ("b", None), ("a", b"2"), ("", b""), ("a", b"1")]
    await produced(bootstrap, topic, [{"value": b"v", "headers": sent}, {"value": b"w"}])
    first, second = await read(bootstrap, topic, 2)
    equal(list(first.headers), sent, "headers")
    equal(list(second.headers), [], "headers")


@case("produce")
async def null_and_empty(bootstrap):
    topic = await make(bootstrap, "null")
    pairs = [(None, b""), (b"", b""), (b"", None), (b"k", None), (None, b"v")]
    await produced(bootstrap, topic, pairs)
    got = [(row.key, row.value) for row in await read(bootstrap, topic, len(pairs))]
    equal(got, pairs)


@case("produce")
async def largest_record(bootstrap):
    topic = await make(bootstrap, "largest")
    value = b"L" * LARGEST_VALUE
    await produced(bootstrap, topic, [(None, value)])
    equal(values(await read(bootstrap, topic, 1)) == [value], True, "the value comes back")


@case("produce")
async def too_large_record(bootstrap):
    topic = await make(bootstrap, "large")
    large = [(None, b"L" * (LARGEST_VALUE + 1))]
    equal(await error_of(produced(bootstrap, topic, large)), errors.MessageSizeTooLargeError)


@case("produce")
async def idempotent(bootstrap):
    topic = await make(bootstrap, "idempotent")
    more = {"enable_idempotence": True, "max_batch_size": 500}
    offsets = await produced(bootstrap, topic, numbered(2000), **more)
    equal(offsets, list(range(2000)), "offsets")
    equal(values(await read(bootstrap, topic, 2000)), [v for _, v in numbered(2000)])


@case("produce")
async def timestamps(bootstrap):
    sent = recently() + 123
    topic = await make(bootstrap, "created")
    await produced(bootstrap, topic, [{"value": b"v", "timestamp_ms": sent}])
    record = (await read(bootstrap, topic, 1))[0]
    equal((record.timestamp_type, record.timestamp), (0, sent))
    topic = await make(bootstrap, "appended", message_timestamp_type="LogAppendTime")
    await produced(bootstrap, topic, [{"value": b"v", "timestamp_ms": sent}])
    record = (await read(bootstrap, topic, 1))[0]
    equal((record.timestamp_type, record.timestamp > sent), (1, True))


# consume


@case("consume")
async def from_start(bootstrap):
    topic = await make(bootstrap, "start")
    await produced(bootstrap, topic, numbered(2000))
    equal([r.offset for r in await read(bootstrap, topic, 2000)], list(range(2000)))


@case("consume")
async def from_end(bootstrap):
    topic = await make(bootstrap, "end")
    await produced(bootstrap, topic, numbered(50))
    async with consuming(bootstrap) as consumer:
        where = TopicPartition(topic, 0)
        consumer.assign([where])
        await consumer.seek_to_end(where)
        equal(await consumer.position(where), 50, "position")
        await produced(bootstrap, topic, [(None, b"new")])
        record = (await drain(consumer, 1))[0]
        equal((record.offset, record.value), (50, b"new"))


@case("consume")
async def from_offset(bootstrap):
    topic = await make(bootstrap, "offset")
    await produced(bootstrap, topic, numbered(1000), linger_ms=50)
    for offset in (1, 499, 999):
        record = (await read(bootstrap, topic, 1, offset=offset))[0]
        equal((record.offset, record.key), (offset, b"k%d" % offset))


@case("consume")
async def from_timestamp(bootstrap):
    topic = await make(bootstrap, "time")
    base = recently()
    rows = [{"value": b"v", "timestamp_ms": base + i * 1000} for i in range(100)]
    await produced(bootstrap, topic, rows)
    where = TopicPartition(topic, 0)
    async with consuming(bootstrap) as consumer:
        consumer.assign([where])

        async def found(at):
            row = (await consumer.offsets_for_times({where: at}))[where]
            return row and (row.offset, row.timestamp)

        equal(await found(base), (0, base))
        equal(await found(base + 41500), (42, base + 42000))
        equal(await found(base + 99001), None)


@case("consume")
async def empty_fetch(bootstrap):
    topic = await make(bootstrap, "empty")
    async with consuming(bootstrap) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        equal(await consumer.getmany(timeout_ms=600), {}, "records")
        await produced(bootstrap, topic, [(None, b"v")])
        equal(values(await drain(consumer, 1)), [b"v"])


@case("consume")
async def ten_segments(bootstrap):
    await check_segments(bootstrap, (1, 1048576))


@case("consume", full=True)
async def ten_segments_many_sizes(bootstrap):
    await check_segments(bootstrap, (16384, 65536, 262144, 1048577))


async def check_segments(bootstrap, sizes):
    topic = await make(bootstrap, "segments", segment_bytes=1048576)
    await produced(bootstrap, topic, numbered(1100, 10000), linger_ms=5)
    for size in sizes:
        settings = {"max_partition_fetch_bytes": size, "fetch_max_wait_ms": 10}
        offsets = [r.offset for r in await read(bootstrap, topic, 1100, **settings)]
        equal(offsets, list(range(1100)), f"offsets with {size} bytes")
        settings = {"fetch_max_bytes": size, "fetch_max_wait_ms": 10}
        offsets = [r.offset for r in await read(bootstrap, topic, 1100, **settings)]
        equal(offsets, list(range(1100)), f"offsets with {size} bytes in all")


@case("consume")
async def list_offsets(bootstrap):
    topic = await make(bootstrap, "offsets", partitions=2)
    await produced(bootstrap, topic, [{"value": b"v", "partition": 1}] * 3)
    rows = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    async with consuming(bootstrap) as consumer:
        equal(await consumer.beginning_offsets(rows), {rows[0]: 0, rows[1]: 0})
        equal(await consumer.end_offsets(rows), {rows[0]: 0, rows[1]: 3})


@case("consume")
async def out_of_range(bootstrap):
    topic = await make(bootstrap, "range")
    await produced(bootstrap, topic, numbered(10))
    equal((await read(bootstrap, topic, 1, offset=5000))[0].offset, 0)
    beyond = read(bootstrap, topic, 1, offset=5000, auto_offset_reset="none")
    equal(await error_of(beyond), errors.OffsetOutOfRangeError)


# group


class Member(ConsumerRebalanceListener):
    """One consumer of a group, read by a task, that remembers what was revoked."""

    def __init__(self, bootstrap, group, topic, **settings):
        self.revoked, self.records = [], []
        self.topic = topic
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            heartbeat_interval_ms=200,
            session_timeout_ms=6000,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=100,
            **settings,
        )

    async def start(self):
        await self.consumer.start()
        self.consumer.subscribe([self.topic], listener=self)
        self.task = asyncio.create_task(self.read())
        return self

    async def on_partitions_revoked(self, revoked):
        self.revoked.append({row.partition for row in revoked})

    async def on_partitions_assigned(self, assigned):
        pass

    @property
    def owned(self):
        return {row.partition for row in self.consumer.assignment()}

    async def read(self):
        while True:
            for rows in (await self.consumer.getmany(timeout_ms=50)).values():
                self.records.extend((row.partition, row.offset) for row in rows)

    async def close(self):
        self.task.cancel()
        await self.consumer.stop()


async def settle(members, sizes):
    def done():
        owned = [member.owned for member in members]
        shared = len(set().union(*owned)) == sum(sizes) == sum(map(len, owned))
        return shared and sorted(map(len, owned)) == sorted(sizes)

    await until(f"assignment {sizes}", done)


async def check_rebalances(bootstrap, assignor):
    topic = await make(bootstrap, "rebalance", partitions=6)
    group = unique("group")
    more = {"partition_assignment_strategy": [assignor]}
    members = [await Member(bootstrap, group, topic, **more).start()]
    await settle(members, [6])
    members.append(await Member(bootstrap, group, topic, **more).start())
    await settle(members, [3, 3])
    members.append(await Member(bootstrap, group, topic, **more).start())
    await settle(members, [2, 2, 2])
    rows = [{"value": b"v", "partition": i % 6} for i in range(120)]
    await produced(bootstrap, topic, rows)
    await until("all records", lambda: sum(len(m.records) for m in members) >= 120)
    got = sorted(record for member in members for record in member.records)
    equal(got, [(p, o) for p in range(6) for o in range(20)], "each record once")
    await members.pop(0).close()
    await settle(members, [3, 3])
    for member in members:
        await member.close()


@case("group")
def eager_range(bootstrap):
    return check_rebalances(bootstrap, RangePartitionAssignor)


@case("group", full=True)
def eager_roundrobin(bootstrap):
    return check_rebalances(bootstrap, RoundRobinPartitionAssignor)


@case("group", full=True)
def eager_sticky(bootstrap):
    return check_rebalances(bootstrap, StickyPartitionAssignor)


@case("group")
async def static_member(bootstrap):
    topic = await make(bootstrap, "static", partitions=4)
    group = unique("group")
    first = await Member(bootstrap, group, topic, group_instance_id="one").start()
    second = await Member(bootstrap, group, topic, group_instance_id="two").start()
    await settle([first, second], [2, 2])
    owned, revoked = second.owned, len(first.revoked)
    await second.close()
    again = await Member(bootstrap, group, topic, group_instance_id="two").start()
    await settle([first, again], [2, 2])
    equal(again.owned, owned, "partitions of the member that came back")
    equal(len(first.revoked), revoked, "rebalances of the other")
    await first.close()
    await again.close()


@case("group")
async def commit_and_resume(bootstrap):
    topic = await make(bootstrap, "commit")
    group = unique("group")
    await produced(bootstrap, topic, numbered(100))
    where = TopicPartition(topic, 0)
    async with consuming(bootstrap, topic, group_id=group) as consumer:
        await drain(consumer, 40)
        equal(await consumer.committed(where), None)
        await consumer.commit({where: OffsetAndMetadata(40, "note")})
        equal(await consumer.committed(where), 40)
    async with consuming(bootstrap, topic, group_id=group) as consumer:
        equal([row.offset for row in await drain(consumer, 60)], list(range(40, 100)))
    async with admin(bootstrap) as client:
        found = await client.list_consumer_group_offsets(group)
        equal((found[where].offset, found[where].metadata), (40, "note"), "committed")


@case("group")
async def auto_commit(bootstrap):
    topic = await make(bootstrap, "auto")
    group = unique("group")
    await produced(bootstrap, topic, numbered(50))
    more = {"enable_auto_commit": True, "auto_commit_interval_ms": 100}
    async with consuming(bootstrap, topic, group_id=group, **more) as consumer:
        await drain(consumer, 50)
        where = TopicPartition(topic, 0)

        async def committed():
            return await consumer.committed(where) == 50

        await until("the commit", committed)


@case("group")
async def reset_offsets_and_lag(bootstrap):
    topic = await make(bootstrap, "reset")
    group = unique("group")
    await produced(bootstrap, topic, numbered(100))
    where = TopicPartition(topic, 0)
    # A consumer that assigns itself commits as a group without members.
    async with consuming(bootstrap, group_id=group) as consumer:
        consumer.assign([where])
        await consumer.commit({where: OffsetAndMetadata(30, "")})
        end = (await consumer.end_offsets([where]))[where]
        equal(end - await consumer.committed(where), 70, "lag")
    async with consuming(bootstrap, topic, group_id=group) as consumer:
        equal((await drain(consumer, 1))[0].offset, 30)


@case("group")
async def describe_group(bootstrap):
    topic = await make(bootstrap, "describe", partitions=2)
    group = unique("group")
    member = await Member(bootstrap, group, topic, client_id="the-client").start()
    await settle([member], [2])
    async with admin(bootstrap) as client:
        found = await client.describe_consumer_groups([group])
        equal("Stable" in str(found) and "the-client" in str(found), True, f"{found}")
        listed = await client.list_consumer_groups()
        equal(group in [row[0] for row in listed], True, "the group is listed")
    await member.close()


# admin


@case("admin")
async def topic_lifecycle(bootstrap):
    topic = await make(bootstrap, "life", partitions=3)
    await produced(bootstrap, topic, numbered(10))
    async with admin(bootstrap) as client:
        equal(topic in await client.list_topics(), True)
        await client.delete_topics([topic])

        async def gone():
            return topic not in await client.list_topics()

        await until("the topic is gone", gone)


@case("admin")
async def topic_refusals(bootstrap):
    taken = await make(bootstrap, "taken")
    async with admin(bootstrap) as client:

        async def refused(name, partitions=1, factor=1, **more):
            new = NewTopic(name, partitions, factor, **more)
            return (await client.create_topics([new])).topic_errors[0][1]

        equal(await refused(taken), errors.TopicAlreadyExistsError.errno)
        equal(await refused("no/slash"), errors.InvalidTopicError.errno)
        equal(await refused(unique("rf"), factor=3), 38, "replication factor")
        equal(await refused(unique("zero"), partitions=0), 37, "partitions")
        wrong = {"retention.ms": "soon"}
        equal(await refused(unique("config"), topic_configs=wrong), 40, "config")


@case("admin")
async def partition_growth(bootstrap):
    topic = await make(bootstrap, "grow")
    async with admin(bootstrap) as client:
        await client.create_partitions({topic: NewPartitions(4)})
        await until("the partitions are there", lambda: count(client, topic, 4))


@case("admin")
async def auto_create(bootstrap):
    topic = unique("first-use")
    await produced(bootstrap, topic, numbered(5))
    equal(values(await read(bootstrap, topic, 5)), [value for _, value in numbered(5)])


@case("admin")
async def configs(bootstrap):
    topic = await make(bootstrap, "configs", retention_ms=1234567)
    async with admin(bootstrap) as client:

        async def described():
            asked = [ConfigResource(ConfigResourceType.TOPIC, topic)]
            rows = (await client.describe_configs(asked))[0].resources[0][4]
            return {row[0]: row[1] for row in rows}

        equal(len(await described()) >= 30, True, "a topic has many configurations")
        equal((await described())["retention.ms"], "1234567")
        change = {"retention.bytes": "99999"}
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs=change)
        await client.alter_configs([resource])

        async def changed():
            return (await described())["retention.bytes"] == "99999"

        await until("the value", changed)


@case("admin")
async def cluster(bootstrap):
    async with admin(bootstrap) as client:
        found = await client.describe_cluster()
        equal(len(found["brokers"]), 1, "brokers")


@case("admin")
async def delete_records(bootstrap):
    topic = await make(bootstrap, "trim")
    await produced(bootstrap, topic, numbered(100))
    async with admin(bootstrap) as client:
        await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(60)})
    equal((await read(bootstrap, topic, 1))[0].offset, 60, "first record")


# transaction


@asynccontextmanager
async def transactional(bootstrap, transactional_id=None, **settings):
    name = transactional_id or unique("txn")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name, **settings)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def transact(producer, topic, name, keep=True, records=5):
    await producer.begin_transaction()
    for i in range(records):
        await producer.send_and_wait(topic, b"%s%d" % (name, i), partition=0)
    await (producer.commit_transaction() if keep else producer.abort_transaction())


async def committed(bootstrap, topic, wanted):
    records = await read(bootstrap, topic, wanted, isolation_level="read_committed")
    return [record.value for record in records]


def named(*names, records=5):
    return [b"%s%d" % (name, i) for name in names for i in range(records)]


@case("transaction")
async def commit_and_abort(bootstrap):
    topic = await make(bootstrap, "transaction")
    async with transactional(bootstrap) as producer:
        await transact(producer, topic, b"a")
        await transact(producer, topic, b"b", keep=False)
        await transact(producer, topic, b"c")
    equal(await committed(bootstrap, topic, 10), named(b"a", b"c"), "committed")
    everything = await read(bootstrap, topic, 15)
    equal([record.value for record in everything], named(b"a", b"b", b"c"), "all")


@case("transaction")
async def many_transactions(bootstrap):
    topic = await make(bootstrap, "many")
    async with transactional(bootstrap) as producer:
        for i in range(30):
            await transact(producer, topic, b"t%d-" % i, keep=i % 2 == 0)
    expected = named(*(b"t%d-" % i for i in range(0, 30, 2)))
    equal(await committed(bootstrap, topic, len(expected)), expected)


@case("transaction")
async def fencing(bootstrap):
    topic, name = await make(bootstrap, "fencing"), unique("txn")
    async with transactional(bootstrap, name) as first:
        await transact(first, topic, b"a")
        await first.begin_transaction()
        await first.send_and_wait(topic, b"lost", partition=0)
        async with transactional(bootstrap, name) as second:
            await transact(second, topic, b"b")
        equal(await error_of(first.commit_transaction()), errors.ProducerFenced, "the older one")
    equal(await committed(bootstrap, topic, 10), named(b"a", b"b"))


@case("transaction")
async def send_offsets(bootstrap):
    source, target = await make(bootstrap, "source"), await make(bootstrap, "target")
    group, where = unique("group"), TopicPartition(source, 0)
    await produced(bootstrap, source, [(None, b"%d" % i) for i in range(20)])
    async with transactional(bootstrap) as producer:
        for keep, start in ((True, 0), (False, 10), (True, 10)):
            async with consuming(bootstrap, source, group_id=group) as consumer:
                records = await drain(consumer, 10)
                equal(records[0].offset, start, "first offset")
                await producer.begin_transaction()
                for record in records:
                    await producer.send_and_wait(target, record.value, partition=0)
                offsets = {where: OffsetAndMetadata(records[-1].offset + 1, "")}
                await producer.send_offsets_to_transaction(offsets, group)
                await (producer.commit_transaction() if keep else producer.abort_transaction())
    equal(await committed(bootstrap, target, 20), [b"%d" % i for i in range(20)])


if __name__ == "__main__":
    main()
