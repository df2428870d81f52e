"""Cases of transactions."""

from client import Client, code_of, drain, numbered, values
from confluent_kafka import (
    OFFSET_BEGINNING,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec
from runner import PATIENCE, case, equal, unique, until


def transactional(client, transactional_id=None, **settings):
    """A producer that has its id."""
    name = transactional_id or unique("txn")
    producer = Producer(client.settings(transactional_id=name, **settings))
    producer.init_transactions(PATIENCE)
    return producer


def send(producer, topic, records, partition=0):
    for key, value in records:
        producer.produce(topic, key=key, value=value, partition=partition)
    equal(producer.flush(PATIENCE), 0, "records not acknowledged")


def transact(producer, topic, records, commit=True, partition=0):
    producer.begin_transaction()
    send(producer, topic, records, partition)
    if commit:
        producer.commit_transaction(PATIENCE)
    else:
        producer.abort_transaction(PATIENCE)


def committed(client, topic, count, **more):
    return values(client.read(topic, count, isolation_level="read_committed", **more))


def last_stable(client, topic):
    where = TopicPartition(topic, 0)
    asked = client.admin.list_offsets(
        {where: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_COMMITTED
    )
    return asked[where].result(PATIENCE).offset


def batch(name, count=10):
    return [(b"k%d" % i, b"%s%d" % (name, i)) for i in range(count)]


def named(*names, count=10):
    return [b"%s%d" % (name, i) for name in names for i in range(count)]


@case("transaction")
def commit(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("commit", partitions=2)
    producer = transactional(client)
    producer.begin_transaction()
    send(producer, topic, batch(b"a"), 0)
    send(producer, topic, batch(b"b"), 1)
    producer.commit_transaction(PATIENCE)
    equal(committed(client, topic, 10), named(b"a"))
    equal(committed(client, topic, 10, partition=1), named(b"b"))
    # The marker takes an offset of each partition.
    equal((client.end(topic), client.end(topic, 1)), (11, 11), "end offsets")


@case("transaction")
def abort(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("abort")
    producer = transactional(client)
    transact(producer, topic, batch(b"a"), commit=False)
    transact(producer, topic, batch(b"b"))
    transact(producer, topic, batch(b"c"), commit=False)
    transact(producer, topic, batch(b"d"))
    equal(committed(client, topic, 20), named(b"b", b"d"))
    everything = client.read(topic, 40, isolation_level="read_uncommitted")
    equal(values(everything), named(b"a", b"b", b"c", b"d"))
    equal([record.offset() for record in everything][10], 11, "offset behind a marker")


@case("transaction")
def isolation(bootstrap):
    """An open transaction holds read_committed back, also for what others commit behind it."""
    client = Client(bootstrap)
    topic = client.topic("isolation")
    first, second = transactional(client), transactional(client)
    client.produced(topic, batch(b"plain", 5))
    first.begin_transaction()
    send(first, topic, batch(b"a", 5))
    transact(second, topic, batch(b"b", 5))
    equal((last_stable(client, topic), client.end(topic)), (5, 16), "stable and end offset")
    uncommitted = values(client.read(topic, 15, isolation_level="read_uncommitted"))
    equal(uncommitted, named(b"plain", b"a", b"b", count=5))
    consumer = client.consumer(isolation_level="read_committed", enable_partition_eof=True)
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    got = []

    def at_the_end():
        record = consumer.poll(1)
        if record is None:
            return False
        if record.error():
            return record.error().code() == KafkaError._PARTITION_EOF
        got.append(record.value())
        return False

    until("the last stable offset", at_the_end)
    equal(got, named(b"plain", count=5), "before the end of the transaction")
    first.commit_transaction(PATIENCE)
    until("all records", lambda: at_the_end() or len(got) == 15)
    equal(got, named(b"plain", b"a", b"b", count=5))
    consumer.close()


@case("transaction")
def many_transactions(bootstrap):
    """One after the other without a pause: each knows that the one before has ended."""
    client = Client(bootstrap)
    topic = client.topic("many")
    producer = transactional(client, linger_ms=0)
    expected = []
    for i in range(60):
        name = b"t%d-" % i
        keep = i % 3 != 1
        transact(producer, topic, batch(name, 3), commit=keep)
        expected += named(name, count=3) if keep else []
    equal(committed(client, topic, len(expected)), expected)


@case("transaction")
def fencing(bootstrap):
    client = Client(bootstrap)
    topic, name = client.topic("fencing"), unique("txn")
    first = transactional(client, name)
    first.begin_transaction()
    send(first, topic, batch(b"lost"))
    # The new one ends what the old one left open.
    second = transactional(client, name)
    transact(second, topic, batch(b"kept"))
    code = code_of(lambda: first.commit_transaction(PATIENCE))
    equal(code, KafkaError._FENCED, "the older producer")
    equal(committed(client, topic, 10), named(b"kept"))


@case("transaction")
def resumed_id(bootstrap):
    """A producer that went away in a transaction and came back goes on without its records."""
    client = Client(bootstrap)
    topic, name = client.topic("resumed"), unique("txn")
    for i in range(4):
        producer = transactional(client, name)
        transact(producer, topic, batch(b"kept%d-" % i, 3))
        producer.begin_transaction()
        send(producer, topic, batch(b"lost%d-" % i, 3))
        del producer
    transactional(client, name)
    equal(committed(client, topic, 12), named(*(b"kept%d-" % i for i in range(4)), count=3))


def transform(client, group, source, target, producer, count, commit):
    """Reads, writes, and ends the transaction with the offsets that were read."""
    consumer = client.consumer(group, isolation_level="read_committed", session_timeout_ms=6000)
    consumer.subscribe([source])
    records = drain(consumer, count)
    producer.begin_transaction()
    send(producer, target, [(record.key(), b"did " + record.value()) for record in records])
    positions = consumer.position(consumer.assignment())
    metadata = consumer.consumer_group_metadata()
    producer.send_offsets_to_transaction(positions, metadata, PATIENCE)
    if commit:
        producer.commit_transaction(PATIENCE)
    else:
        producer.abort_transaction(PATIENCE)
    consumer.close()
    return [record.offset() for record in records]


@case("transaction")
def send_offsets(bootstrap):
    client = Client(bootstrap)
    source, target, group = client.topic("source"), client.topic("target"), unique("group")
    client.produced(source, numbered(30))
    producer = transactional(client)
    got = transform(client, group, source, target, producer, 10, commit=True)
    equal(got, list(range(10)), "first")
    # The commit is answered before its markers are written, and this request does not wait for them.
    until("committed offset", lambda: client.committed(group, source) == 10)
    got = transform(client, group, source, target, producer, 10, commit=False)
    equal(got, list(range(10, 20)), "second")
    equal(client.committed(group, source), 10, "committed offset after an abort")
    got = transform(client, group, source, target, producer, 20, commit=True)
    equal(got, list(range(10, 30)), "again")
    until("committed offset at the end", lambda: client.committed(group, source) == 30)
    equal(committed(client, target, 30), [b"did " + value for _, value in numbered(30)])


@case("transaction")
def pending_offsets(bootstrap):
    """Offsets of an open transaction are not there yet, and who needs stable ones has to wait."""
    client = Client(bootstrap)
    topic, group = client.topic("pending"), unique("group")
    client.produced(topic, numbered(10))
    consumer = client.consumer(group)
    consumer.subscribe([topic])
    drain(consumer, 10)
    producer = transactional(client)
    producer.begin_transaction()
    offsets = [TopicPartition(topic, 0, 7)]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), PATIENCE)
    equal(client.committed(group, topic), None, "while it is open")
    # The client asks for stable offsets and tries again until the time is up.
    waiting = code_of(lambda: consumer.committed([TopicPartition(topic, 0)], 1))
    equal(waiting, KafkaError._TIMED_OUT, "stable offsets while it is open")
    producer.commit_transaction(PATIENCE)
    equal(consumer.committed([TopicPartition(topic, 0)], PATIENCE)[0].offset, 7, "afterwards")
    consumer.close()


@case("transaction")
def fenced_member(bootstrap):
    """Offsets of a member that its group no longer knows are refused."""
    client = Client(bootstrap)
    topic, group = client.topic("zombie"), unique("group")
    client.produced(topic, numbered(10))
    consumer = client.consumer(group)
    consumer.subscribe([topic])
    drain(consumer, 10)
    metadata = consumer.consumer_group_metadata()
    consumer.close()
    producer = transactional(client)
    producer.begin_transaction()
    offsets = [TopicPartition(topic, 0, 7)]
    error = None
    try:
        producer.send_offsets_to_transaction(offsets, metadata, PATIENCE)
    except KafkaException as fault:
        error = fault.args[0]
    refused = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError._FENCED)
    equal(error is not None and error.txn_requires_abort(), True, f"to be aborted: {error}")
    equal(error.code() in refused, True, f"refused with {error}")
    producer.abort_transaction(PATIENCE)
    equal(client.committed(group, topic), None, "committed offset")


@case("transaction")
def timeout(bootstrap):
    """A transaction that is open too long is aborted, and read_committed goes on."""
    client = Client(bootstrap)
    topic = client.topic("timeout")
    slow = transactional(client, transaction_timeout_ms=1500, message_timeout_ms=1500)
    slow.begin_transaction()
    send(slow, topic, batch(b"lost"))
    client.produced(topic, batch(b"plain"))
    equal(committed(client, topic, 10), named(b"plain"))
    code = code_of(lambda: slow.commit_transaction(PATIENCE))
    expected = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    expected += (KafkaError.INVALID_TXN_STATE, KafkaError._STATE)
    equal(code in expected, True, f"the late commit ends with {code}")


@case("transaction")
def timeout_too_long(bootstrap):
    client = Client(bootstrap)
    settings = client.settings(transactional_id=unique("txn"), transaction_timeout_ms=2147483647)
    producer = Producer(settings)
    code = code_of(lambda: producer.init_transactions(PATIENCE))
    equal(code, KafkaError.INVALID_TRANSACTION_TIMEOUT)


@case("transaction")
def empty_transaction(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("empty")
    producer = transactional(client)
    for keep in (True, False, True):
        transact(producer, topic, [], commit=keep)
    transact(producer, topic, batch(b"a"))
    equal(committed(client, topic, 10), named(b"a"))
    equal(client.end(topic), 11, "end offset")


@case("transaction", full=True)
def many_partitions(bootstrap):
    client = Client(bootstrap)
    topic = client.topic("wide", partitions=60)
    producer = transactional(client)
    for keep in (True, False):
        producer.begin_transaction()
        for partition in range(60):
            producer.produce(topic, value=b"%d" % keep, partition=partition)
        equal(producer.flush(PATIENCE), 0, "records not acknowledged")
        if keep:
            producer.commit_transaction(PATIENCE)
        else:
            producer.abort_transaction(PATIENCE)
    for partition in (0, 31, 59):
        equal(committed(client, topic, 1, partition=partition), [b"1"])
        until("both markers", lambda: client.end(topic, partition) == 4)
