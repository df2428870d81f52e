"""kafka-transactions on transactions that are open, ended and hanging."""

import random
import socket
import struct
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from runner import PATIENCE, case, equal, unique, until
from tool import contains, create, tool


def open_transaction(bootstrap, topic, transactional_id):
    """A producer in a transaction with three records."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": 54321,
        }
    )
    producer.init_transactions(PATIENCE)
    producer.begin_transaction()
    for value in (b"a", b"b", b"c"):
        producer.produce(topic, value)
    equal(producer.flush(PATIENCE), 0, "records not acknowledged")
    return producer


def rows(text):
    """The table that a command prints, as a dict for each line."""
    lines = [line.split("\t") for line in text.splitlines() if "\t" in line]
    head = [name.strip() for name in lines[0]]
    return [dict(zip(head, (field.strip() for field in line))) for line in lines[1:]]


def transactions(bootstrap, *arguments):
    return rows(tool("transactions", *arguments, bootstrap=bootstrap))


@case("transaction")
def list_and_describe(bootstrap):
    topic, name = create(bootstrap, "described"), unique("txn")
    producer = open_transaction(bootstrap, topic, name)
    found = [row for row in transactions(bootstrap, "list") if row["TransactionalId"] == name]
    equal([row["TransactionState"] for row in found], ["Ongoing"], "listed")
    row = transactions(bootstrap, "describe", "--transactional-id", name)[0]
    equal(row["TransactionState"], "Ongoing", "state")
    equal(row["TransactionTimeoutMs"], "54321", "timeout")
    equal(row["TopicPartitions"], f"{topic}-0", "partitions")
    equal(row["ProducerId"], found[0]["ProducerId"], "producer")
    which = ["describe-producers", "--topic", topic, "--partition", 0]
    state = transactions(bootstrap, *which)[0]
    equal(state["ProducerId"], row["ProducerId"], "producer of the partition")
    equal(state["ProducerEpoch"], row["ProducerEpoch"], "epoch")
    equal(state["CurrentTransactionStartOffset"], "0", "start offset")
    producer.commit_transaction(PATIENCE)
    state = lambda: transactions(bootstrap, "describe", "--transactional-id", name)[0]  # noqa: E731
    until("its end", lambda: state()["TransactionState"] == "CompleteCommit")
    state = transactions(bootstrap, *which)[0]
    equal(state["CurrentTransactionStartOffset"], "None", "start offset afterwards")


@case("transaction")
def filters(bootstrap):
    topic, name = create(bootstrap, "filters"), unique("txn")
    producer = open_transaction(bootstrap, topic, name)

    def listed(*flags):
        return [row["TransactionalId"] for row in transactions(bootstrap, "list", *flags)]

    equal(listed("--transactional-id-pattern", f"{name[:-3]}.*"), [name], "by pattern")
    equal(listed("--transactional-id-pattern", "nobody-.*"), [], "by another pattern")
    equal(name in listed("--duration-filter", "3600000"), False, "running for an hour")
    equal(name in listed("--duration-filter", "1"), True, "running for a millisecond")
    producer.abort_transaction(PATIENCE)


@case("transaction")
def unknown_id(bootstrap):
    arguments = ["describe", "--transactional-id", unique("nobody")]
    contains(tool("transactions", *arguments, code=1, bootstrap=bootstrap), "could not be found")


@case("transaction")
def abort_open_transaction(bootstrap):
    topic = create(bootstrap, "abort")
    producer = open_transaction(bootstrap, topic, unique("txn"))
    equal(committed_end(bootstrap, topic), 0, "last stable offset before")
    which = ["--topic", topic, "--partition", 0, "--start-offset", 0]
    tool("transactions", "abort", *which, bootstrap=bootstrap)
    equal(committed_end(bootstrap, topic), 4, "last stable offset after")
    del producer


def committed_end(bootstrap, topic):
    settings = {"bootstrap.servers": bootstrap, "group.id": unique("group")}
    consumer = Consumer(settings | {"isolation.level": "read_committed"})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), PATIENCE)
    consumer.close()
    return end


@case("transaction")
def hanging(bootstrap):
    """A batch that no coordinator knows of, as brokers before KIP-890 let them in."""
    topic = create(bootstrap, "hanging")
    which = ["--entity-type", "brokers", "--entity-default", "--alter"]
    setting = "transaction.partition.verification.enable"
    tool("configs", *which, "--add-config", f"{setting}=false", bootstrap=bootstrap)
    try:
        producer_id = random.randrange(10**9, 10**10)
        send_stray_batch(bootstrap, topic, producer_id)
    finally:
        tool("configs", *which, "--delete-config", setting, bootstrap=bootstrap)
    flags = ["find-hanging", "--topic", topic, "--max-transaction-timeout", 1]
    found = transactions(bootstrap, *flags)
    equal([row["ProducerId"] for row in found], [str(producer_id)], "hanging")
    equal(found[0]["StartOffset"], "0", "start offset")
    which = ["--topic", topic, "--partition", 0, "--start-offset", 0]
    tool("transactions", "abort", *which, bootstrap=bootstrap)
    equal(committed_end(bootstrap, topic), 2, "last stable offset after")
    contains(tool("transactions", *flags, bootstrap=bootstrap), "ProducerId")
    equal(transactions(bootstrap, *flags), [], "hanging afterwards")


def send_stray_batch(bootstrap, topic, producer_id):
    """One transactional record, sent an hour ago by its timestamp, in a Produce request of version 9."""
    host, port = bootstrap.rsplit(":", 1)
    an_hour_ago = int(time.time() * 1000) - 3600000
    batch = encode_batch(an_hour_ago, producer_id)
    compact = lambda text: bytes([len(text) + 1]) + text.encode()  # noqa: E731
    body = struct.pack(">hhi", 0, 9, 7) + struct.pack(">h", 5) + b"stray" + b"\0"
    body += compact("stray-txn") + struct.pack(">hi", -1, 30000)
    body += b"\x02" + compact(topic) + b"\x02" + struct.pack(">i", 0)
    assert len(batch) < 127
    body += bytes([len(batch) + 1]) + batch + b"\0\0\0"
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        reply = connection.makefile("rb")
        (size,) = struct.unpack(">i", reply.read(4))
        answer = reply.read(size)
    # Correlation id, no tags, one topic with its name, one partition, its index, then its error code.
    at = 4 + 1 + 1 + 1 + len(topic) + 1 + 4
    equal(struct.unpack_from(">h", answer, at)[0], 0, "error code")


def encode_batch(timestamp, producer_id):
    record = b"\0\0\0\x01\x02v\0"
    record = bytes([len(record) * 2]) + record
    attributes_transactional = 0x10
    counted = struct.pack(
        ">hiqqqhii", attributes_transactional, 0, timestamp, timestamp, producer_id, 0, 0, 1
    )
    counted += record
    head = struct.pack(">qi", 0, 4 + 1 + 4 + len(counted))
    return head + struct.pack(">iBI", -1, 2, crc32c(counted)) + counted


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF
