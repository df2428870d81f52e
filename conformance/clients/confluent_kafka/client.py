"""The client as the cases use it: what most of them need."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

from confluent_kafka import (  # noqa: E402
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # noqa: E402
from runner import PATIENCE, equal, unique, until  # noqa: E402

# A batch may have 1048588 bytes by default; header and framing of one record without key take 72.
LARGEST_VALUE = 1048588 - 72

# How a consumer hears that another took its place.
FENCED = (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL)


class Client:
    """What most cases need."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient(self.settings())

    def settings(self, **more):
        base = {"bootstrap.servers": self.bootstrap, "broker.address.family": "v4"}
        base.update({key.replace("_", "."): value for key, value in more.items()})
        return base

    def topic(self, prefix, partitions=1, **config):
        name = unique(prefix)
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        new = NewTopic(name, num_partitions=partitions, config=config)
        self.admin.create_topics([new])[name].result(PATIENCE)
        until("the topic is there", lambda: self.partitions(name) == partitions)
        return name

    def partitions(self, topic):
        found = self.admin.list_topics(timeout=PATIENCE).topics.get(topic)
        return len(found.partitions) if found and not found.error else 0

    def produce(self, topic, records, **settings):
        """Produces (key, value) or a dict for each record; returns the reports in order."""
        reports = []
        producer = Producer(self.settings(**settings))
        for record in records:
            if isinstance(record, tuple):
                record = {"key": record[0], "value": record[1]}
            while True:
                try:
                    producer.produce(
                        topic, on_delivery=lambda e, m: reports.append((e, m)), **record
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        equal(producer.flush(PATIENCE), 0, "records not acknowledged")
        return reports

    def produced(self, topic, records, **settings):
        """As `produce`, where every record must be acknowledged; returns the offsets."""
        reports = self.produce(topic, records, **settings)
        errors = [error for error, _ in reports if error]
        equal(errors, [], "errors")
        return [message.offset() for _, message in reports]

    def read(self, topic, count, offset=OFFSET_BEGINNING, partition=0, **settings):
        """Reads `count` records of one partition."""
        consumer = self.consumer(**settings)
        consumer.assign([TopicPartition(topic, partition, offset)])
        records = drain(consumer, count)
        consumer.close()
        return records

    def consumer(self, group=None, **settings):
        settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False} | settings
        return Consumer(self.settings(group_id=group or unique("group"), **settings))

    def end(self, topic, partition=0, spec=None):
        where = TopicPartition(topic, partition)
        asked = self.admin.list_offsets({where: spec or OffsetSpec.latest()})
        return asked[where].result(PATIENCE).offset

    def committed(self, group, topic, partition=0):
        asked = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        found = asked[group].result(PATIENCE).topic_partitions
        rows = [row for row in found if (row.topic, row.partition) == (topic, partition)]
        return rows[0].offset if rows else None


def drain(consumer, count, patience=PATIENCE):
    records = []
    end = time.monotonic() + patience
    while len(records) < count:
        assert time.monotonic() < end, f"{len(records)} of {count} records"
        for record in consumer.consume(min(count - len(records), 5000), 0.1):
            assert not record.error(), record.error()
            records.append(record)
    return records


def code_of(call):
    """The error code with which a call ends."""
    try:
        call()
    except KafkaException as error:
        return error.args[0].code()
    return KafkaError.NO_ERROR


def recently():
    """A time that retention does not touch, in ms."""
    return int(time.time() * 1000) - 3600000


def values(records):
    return [record.value() for record in records]


def numbered(count, size=0):
    return [(b"k%d" % i, b"v%d" % i + b"x" * size) for i in range(count)]


class Member:
    """One consumer of a group that remembers what was assigned and revoked."""

    def __init__(self, client, group, topic, **settings):
        self.owned, self.revoked, self.records = set(), [], []
        self.cooperative = settings.get("partition_assignment_strategy") == "cooperative-sticky"
        if settings.get("group_protocol") == "consumer":
            # The broker says how often, and assignments come in steps.
            self.cooperative = True
        else:
            settings = {"heartbeat_interval_ms": 200, "session_timeout_ms": 6000} | settings
        self.consumer = client.consumer(group, **settings)
        self.consumer.subscribe([topic], on_assign=self.assigned, on_revoke=self.lost)

    def assigned(self, consumer, partitions):
        self.owned |= {row.partition for row in partitions}
        if self.cooperative:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)

    def lost(self, consumer, partitions):
        gone = {row.partition for row in partitions}
        self.revoked.append(gone)
        self.owned -= gone
        if self.cooperative:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def poll(self):
        record = self.consumer.poll(0.02)
        if record is not None and not record.error():
            self.records.append((record.partition(), record.offset()))
        elif record is not None and record.error().code() in FENCED:
            raise KafkaException(record.error())


def settle(members, sizes):
    """Polls until the members share all partitions in these sizes, sorted."""

    def done():
        for member in members:
            member.poll()
        owned = [member.owned for member in members]
        together = set().union(*owned)
        shared = len(together) == sum(sizes) == sum(map(len, owned))
        return shared and sorted(map(len, owned)) == sorted(sizes)

    until(f"assignment {sizes}", done)
