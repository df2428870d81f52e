"""One client of the test with real faults; it records what it does and sees.

    chaos.py ROLE BOOTSTRAP HISTORY PROCESS SEED KEY=VALUE...

PROCESS is a number that no other life of any client has. Each line of HISTORY is an event in the form
of `milena_simulation::checker`, written with one call before and after each operation, so that a client
that is killed leaves an operation without an end. SIGTERM ends a client after its operation.
"""

import json
import os
import random
import signal
import sys
import time

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

# Seconds that one call may take before it is tried again, or given up.
PATIENCE = 20
# How long the last reads may take, until the last transaction is aborted and everything is read.
LAST_PATIENCE = 90


def key(topic, partition):
    return f"{topic}-{partition}"


class Recorder:
    """Writes the events of one process."""

    def __init__(self, path, process):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.process, self.count = process, 0

    def value(self):
        self.count += 1
        return self.process * 1_000_000 + self.count

    def event(self, kind, function, steps=(), keys=(), **more):
        event = {"at": time.monotonic_ns(), "process": self.process, "type": kind, "f": function}
        event |= {name: value for name, value in more.items() if value is not None}
        if steps:
            event["steps"] = list(steps)
        if keys:
            event["keys"] = sorted(keys)
        os.write(self.file, json.dumps(event).encode() + b"\n")


class Client:
    """What all roles share: the options, the recorder, and when to stop."""

    def __init__(self, arguments):
        bootstrap, history, process, seed, *options = arguments
        self.bootstrap = bootstrap
        self.recorder = Recorder(history, int(process))
        self.random = random.Random(int(seed))
        self.options = dict(option.split("=", 1) for option in options)
        self.goes_on = True
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.goes_on = False

    def settings(self, **more):
        base = {"bootstrap.servers": self.bootstrap, "broker.address.family": "v4"}
        base |= {"reconnect.backoff.max.ms": 500, "topic.metadata.refresh.interval.ms": 2000}
        return base | {name.replace("_", "."): value for name, value in more.items()}

    def topics(self):
        """Topics with the number of their partitions: `a:2,b:3`."""
        rows = (row.split(":") for row in self.options["topics"].split(","))
        return [(name, int(count)) for name, count in rows]

    def target(self):
        topic, count = self.random.choice(self.topics())
        return topic, self.random.randrange(count)

    def pause(self):
        time.sleep(self.random.uniform(0.005, 0.05))


class Sender:
    """A producer that records with its sends where they went."""

    def __init__(self, client, **settings):
        self.client = client
        self.id = settings.get("transactional_id")
        self.producer = Producer(client.settings(linger_ms=2, **settings))
        self.steps = []

    def plan(self, targets):
        value = self.client.recorder.value
        self.steps = [["send", [key(*target), value(), None]] for target in targets]
        self.targets = targets

    def known(self):
        return [{name: row} for name, row in self.steps]

    def send(self):
        """Sends what was planned; whether all of it was acknowledged."""
        missing = []
        for (_, row), (topic, partition) in zip(self.steps, self.targets):
            missing.append(row)

            def told(error, message, row=row):
                if not error:
                    row[2] = message.offset()
                    missing.remove(row)

            value = str(row[1]).encode()
            self.producer.produce(topic, value=value, partition=partition, on_delivery=told)
        while self.producer.flush(1):
            pass
        return not missing

    def record(self, kind, function, steps=(), keys=(), isolation=None):
        steps = list(steps) + self.known()
        more = {"transactional_id": self.id, "isolation": isolation}
        self.client.recorder.event(kind, function, steps, keys, **more)

    def init(self):
        self.record("invoke", "init")
        while True:
            try:
                self.producer.init_transactions(PATIENCE)
                break
            except KafkaException as error:
                if not error.args[0].retriable() or not self.client.goes_on:
                    self.record("info", "init")
                    raise
        self.record("ok", "init")

    def call(self, function, *arguments):
        """Calls until it takes place, or fails for good."""
        for _ in range(20):
            try:
                return function(*arguments, PATIENCE)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
        raise TimeoutError(function.__name__)

    def transact(self, before, offsets=None, wants_commit=True, **more):
        """One transaction. What was polled stands in `before`. Whether it was committed."""
        is_open = False
        try:
            self.producer.begin_transaction()
            is_open = True
            self.send()
            if offsets:
                self.call(self.producer.send_offsets_to_transaction, *offsets)
            if wants_commit:
                self.record("prepare", "txn", before, **more)
                self.call(self.producer.commit_transaction)
                self.record("ok", "txn", before, **more)
                return True
        except KafkaException as error:
            if not is_open or not error.args[0].txn_requires_abort():
                self.record("info", "txn", before, **more)
                raise
        try:
            self.call(self.producer.abort_transaction)
        except KafkaException:
            self.record("info", "txn", before, **more)
            raise
        self.record("fail", "txn", before, **more)
        return False


class Reader:
    """A consumer that records what it polls."""

    def __init__(self, client, **settings):
        self.client = client
        self.isolation = client.options.get("isolation", "read_uncommitted")
        settings |= {"isolation_level": self.isolation, "enable_auto_commit": False}
        settings |= {"auto_offset_reset": "earliest", "fetch_wait_max_ms": 100}
        protocol = client.options.get("protocol", "classic")
        if protocol == "classic":
            settings |= {"session_timeout_ms": 6000, "heartbeat_interval_ms": 500}
        self.consumer = Consumer(client.settings(group_protocol=protocol, **settings))
        self.is_incremental = protocol == "consumer" or "cooperative" in client.options.get("assignor", "")
        self.owned, self.changed, self.is_rebalanced = set(), set(), False

    def subscribe(self):
        topics = [name for name, _ in self.client.topics()]
        self.record("invoke", "subscribe")
        calls = {"on_assign": self.assigned, "on_revoke": self.revoked, "on_lost": self.revoked}
        self.consumer.subscribe(topics, **calls)
        self.record("ok", "subscribe")

    def note(self, partitions):
        rows = {(row.topic, row.partition) for row in partitions}
        self.changed |= {key(*row) for row in rows}
        self.is_rebalanced = True
        return rows

    def assigned(self, consumer, partitions):
        self.owned |= self.note(partitions)
        if self.is_incremental:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)

    def revoked(self, consumer, partitions):
        self.owned -= self.note(partitions)
        if self.is_incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def record(self, kind, function, steps=(), keys=()):
        self.client.recorder.event(kind, function, steps, keys, isolation=self.isolation)

    def consume(self, count, seconds):
        """What one poll returns: rows by key, next offsets."""
        self.is_rebalanced = False
        rows, ends = {}, {}
        for message in self.consumer.consume(count, seconds):
            if message.error():
                if message.error().fatal():
                    raise KafkaException(message.error())
                continue
            where = (message.topic(), message.partition())
            rows.setdefault(key(*where), []).append((message.offset(), int(message.value())))
            ends[where] = message.offset() + 1
        return rows, ends

    def poll(self, count=50, seconds=0.3):
        """A poll as an operation of its own."""
        self.record("invoke", "poll")
        rows, ends = self.consume(count, seconds)
        self.record("ok", "poll", [{"poll": rows}] if rows else (), self.changed)
        self.changed = set()
        return ends

    def rewind(self):
        """Goes back to what is committed."""
        partitions = [TopicPartition(*row) for row in self.owned]
        while partitions and self.client.goes_on:
            try:
                for row in self.consumer.committed(partitions, PATIENCE):
                    if row.error:
                        raise KafkaException(row.error)
                    row.offset = row.offset if row.offset >= 0 else OFFSET_BEGINNING
                    self.consumer.seek(row)
                    self.changed.add(key(row.topic, row.partition))
                return
            except KafkaException:
                # Somewhere in a rebalance or without a broker. Polling goes on with either; what it
                # returns is not used, and the next round seeks again.
                self.consume(1, 0.1)
                partitions = [TopicPartition(*row) for row in self.owned]


def commits(group, ends):
    return [{"commit": [group, key(*where), end]} for where, end in sorted(ends.items())]


def send(client):
    """Sends outside of transactions."""
    sender = Sender(client, enable_idempotence=True, message_timeout_ms=15000)
    while client.goes_on:
        sender.plan([client.target() for _ in range(client.random.randint(1, 6))])
        sender.record("invoke", "send")
        sender.record("ok" if sender.send() else "info", "send")
        client.pause()


def transactions(client):
    """Transactions over several partitions; some are aborted, some take their time."""
    limits = {"transaction_timeout_ms": 8000, "message_timeout_ms": 8000}
    sender = Sender(client, transactional_id=client.options["id"], **limits)
    sender.plan([])
    sender.init()
    while client.goes_on:
        sender.plan([client.target() for _ in range(client.random.randint(0, 8))])
        sender.record("invoke", "txn")
        sender.transact([], wants_commit=client.random.random() < 0.75)
        client.pause()


def transform(client):
    """Reads, writes, and commits what it read with what it wrote."""
    group, isolation = client.options["group"], client.options["isolation"]
    reader = Reader(client, group_id=group)
    limits = {"transaction_timeout_ms": 8000, "message_timeout_ms": 8000}
    sender = Sender(client, transactional_id=client.options["id"], **limits)
    sender.plan([])
    sender.init()
    reader.subscribe()
    topic, count = client.options["out"].split(":")
    while client.goes_on:
        rows, ends = reader.consume(client.random.randint(1, 40), 0.3)
        if reader.is_rebalanced:
            # Records from before and after it may stand beside each other.
            reader.rewind()
            continue
        if not rows:
            continue
        total = sum(map(len, rows.values()))
        sender.plan([(topic, client.random.randrange(int(count))) for _ in range(total)])
        before = [{"poll": rows}] + commits(group, ends)
        more = {"keys": reader.changed, "isolation": isolation}
        sender.record("invoke", "txn", before, **more)
        positions = [TopicPartition(*where, end) for where, end in ends.items()]
        offsets = (positions, reader.consumer.consumer_group_metadata())
        wants_commit = client.random.random() < 0.8
        is_committed = sender.transact(before, offsets, wants_commit, **more)
        reader.changed = set()
        if not is_committed:
            reader.rewind()
    reader.consumer.close()


def read(client):
    """A member of a group that commits what it has read."""
    group = client.options["group"]
    reader = Reader(client, group_id=group)
    reader.subscribe()
    while client.goes_on:
        ends = reader.poll(client.random.randint(1, 100))
        ends = {where: end for where, end in ends.items() if where in reader.owned}
        if reader.is_rebalanced or not ends or client.random.random() < 0.3:
            # What was polled before a rebalance is not this member's to commit any more.
            continue
        reader.record("invoke", "commit", commits(group, ends))
        try:
            rows = [TopicPartition(*where, end) for where, end in ends.items()]
            answered = reader.consumer.commit(offsets=rows, asynchronous=False)
            is_done = not any(row.error for row in answered)
            reader.record("ok" if is_done else "info", "commit", commits(group, ends))
        except KafkaException:
            reader.record("info", "commit", commits(group, ends))
        if reader.isolation == "read_committed" and client.random.random() < 0.2:
            fetch(reader, group, sorted(ends), 5)
    reader.consumer.close()


def fetch(reader, group, wheres, seconds):
    """Fetches committed offsets; whether they came."""
    reader.record("invoke", "committed")
    try:
        rows = [TopicPartition(*where) for where in wheres]
        rows = reader.consumer.committed(rows, seconds)
    except KafkaException:
        reader.record("info", "committed")
        return False
    good = [row for row in rows if not row.error]
    steps = [{"committed": [group, key(row.topic, row.partition), max(row.offset, -1)]} for row in good]
    reader.record("ok", "committed", steps)
    return len(good) == len(rows)


def all_partitions(client):
    return [(name, at) for name, count in client.topics() for at in range(count)]


def assign(reader, wheres):
    keys = [key(*where) for where in wheres]
    reader.record("invoke", "assign", keys=keys)
    reader.consumer.assign([TopicPartition(*where, OFFSET_BEGINNING) for where in wheres])
    reader.record("ok", "assign", keys=keys)


def watch(client):
    """Reads everything, now and then from the beginning, and lists ends."""
    reader = Reader(client, group_id=f"watch-{client.recorder.process}")
    admin = AdminClient(client.settings())
    wheres = all_partitions(client)
    assign(reader, wheres)
    # Ever later, since there is ever more to read.
    pause, again = 10, time.monotonic() + 10
    while client.goes_on:
        reader.poll(200)
        if time.monotonic() > again:
            pause, again = 2 * pause, time.monotonic() + 2 * pause
            assign(reader, [])
            assign(reader, wheres)
        if client.random.random() < 0.05:
            ends(reader, admin, client.random.choice(wheres))


def ends(reader, admin, where):
    reader.record("invoke", "list")
    level = IsolationLevel.READ_COMMITTED
    if reader.isolation == "read_uncommitted":
        level = IsolationLevel.READ_UNCOMMITTED
    try:
        row = TopicPartition(*where)
        asked = admin.list_offsets(
            {row: OffsetSpec.latest()}, isolation_level=level, request_timeout=5
        )
        end = asked[row].result(PATIENCE).offset
    except KafkaException:
        end = -1
    # An answer without an offset comes as a negative number as well.
    if end < 0:
        reader.record("info", "list")
    else:
        reader.record("ok", "list", [{"end": [key(*where), end]}])


def finish(client):
    """Reads from the start to the end when everything else is over, and fetches committed offsets."""
    reader = Reader(client, group_id=f"finish-{client.recorder.process}", enable_partition_eof=True)
    wheres = all_partitions(client)
    high = {}
    for where in wheres:
        _, high[where] = reader.consumer.get_watermark_offsets(TopicPartition(*where), PATIENCE)
    assign(reader, wheres)
    limit = time.monotonic() + LAST_PATIENCE
    left = {where for where in wheres if high[where] > 0}
    while left:
        assert time.monotonic() < limit, f"not read to the end: {sorted(left)}, ends {high}"
        reader.record("invoke", "poll")
        rows = {}
        for message in reader.consumer.consume(1000, 0.3):
            where = (message.topic(), message.partition())
            if not message.error():
                rows.setdefault(key(*where), []).append((message.offset(), int(message.value())))
                at = message.offset() + 1
            elif message.error().code() == KafkaError._PARTITION_EOF:
                at = message.offset()
            else:
                continue
            if at >= high[where]:
                left.discard(where)
        reader.record("ok", "poll", [{"poll": rows}] if rows else ())
    keys = [key(*where) for where in wheres]
    reader.record("invoke", "finish", keys=keys)
    reader.record("ok", "finish", keys=keys)
    for row in filter(None, client.options.get("groups", "").split(",")):
        group, topic, count = row.split(":")
        reader.consumer = Consumer(
            client.settings(group_id=group, isolation_level="read_committed")
        )
        places = [(topic, at) for at in range(int(count))]
        assert fetch(reader, group, places, PATIENCE), f"no offsets of {group}"


ROLES = {
    "send": send,
    "transactions": transactions,
    "transform": transform,
    "read": read,
    "watch": watch,
    "finish": finish,
}


def main():
    client = Client(sys.argv[2:])
    try:
        ROLES[sys.argv[1]](client)
    except (KafkaException, TimeoutError) as error:
        # Fenced, or without a broker for too long: whoever started it starts another.
        print(f"{sys.argv[1]} {sys.argv[4]}: {error}", file=sys.stderr, flush=True)
        os._exit(3)
    os._exit(0)


main()
