"""kafka-consumer-groups and kafka-groups on groups of the protocol of KIP-848."""

import threading
from contextlib import contextmanager

from confluent_kafka import Consumer
from runner import PATIENCE, case, equal, unique, until
from tool import contains, create, produce, tool


@contextmanager
def member(bootstrap, group, topic, **more):
    """A consumer that is polled until the end of the block, and has its partitions at its start."""
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "client.id": "the-client",
        "auto.commit.interval.ms": 100,
    } | {key.replace("_", "."): value for key, value in more.items()}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    until("the assignment", lambda: consumer.poll(0.05) or consumer.assignment())
    over = threading.Event()

    def poll():
        while not over.is_set():
            consumer.poll(0.05)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield consumer
    finally:
        over.set()
        thread.join(PATIENCE)
        consumer.close()


def groups(bootstrap, *arguments, **more):
    return tool("consumer-groups", *arguments, bootstrap=bootstrap, **more)


def table(text):
    lines = [line.split() for line in text.splitlines() if line.strip()]
    start = next(i for i, line in enumerate(lines) if line[0] == "GROUP")
    return [dict(zip(lines[start], line)) for line in lines[start + 1 :]]


@case("consumer_group")
def describe(bootstrap):
    topic, group = create(bootstrap, "described", 2), unique("group")
    produce(bootstrap, topic, [f"v{i}" for i in range(20)])
    which = ["--describe", "--group", group]
    with member(bootstrap, group, topic):
        until("all is committed", lambda: committed(bootstrap, group) == 20)
        rows = rows_of(bootstrap, which)
        equal(sorted(row["PARTITION"] for row in rows), ["0", "1"], "partitions")
        equal({row["CLIENT-ID"] for row in rows}, {"the-client"}, "client")
        state = groups(bootstrap, *which, "--state")
        contains(state, "uniform", "Stable")
        members = groups(bootstrap, *which, "--members", "--verbose")
        contains(members, "the-client", f"{topic}:0,1", "CURRENT-EPOCH", "TARGET-EPOCH")
    contains(groups(bootstrap, *which, "--state"), "Empty")


def rows_of(bootstrap, which):
    return table(groups(bootstrap, *which))


def committed(bootstrap, group):
    """Sum of the committed offsets; a partition without one counts 0."""
    try:
        rows = rows_of(bootstrap, ["--describe", "--group", group])
    except StopIteration:
        return 0
    return sum(int(row["CURRENT-OFFSET"].replace("-", "0")) for row in rows)


@case("consumer_group")
def lists(bootstrap):
    topic, group = create(bootstrap, "listed"), unique("group")
    with member(bootstrap, group, topic):
        listed = groups(bootstrap, "--list", "--type", "consumer", "--state", "Stable")
        contains(listed, group)
        other = groups(bootstrap, "--list", "--type", "classic")
        equal(group in other, False, "among classic groups")
        text = tool("groups", "--list", "--group-type", "consumer", bootstrap=bootstrap)
        line = next(line for line in text.splitlines() if line.startswith(group))
        equal(line.split()[1:], ["Consumer", "consumer"], "type and protocol")
        text = tool("groups", "--list", "--consumer", bootstrap=bootstrap)
        contains(text, group)


@case("consumer_group")
def reset_and_delete(bootstrap):
    topic, group = create(bootstrap, "reset"), unique("group")
    produce(bootstrap, topic, [f"v{i}" for i in range(40)])
    which = ["--group", group, "--topic", topic, "--execute", "--reset-offsets"]
    with member(bootstrap, group, topic):
        until("all is committed", lambda: committed(bootstrap, group) == 40)
        # The tool says that it may not, and ends well for both.
        groups(bootstrap, *which, "--to-earliest")
        equal(committed(bootstrap, group) != 0, True, "nothing was reset")
        groups(bootstrap, "--delete", "--group", group)
        contains(groups(bootstrap, "--list"), group)
    groups(bootstrap, *which, "--to-offset", 12)
    row = rows_of(bootstrap, ["--describe", "--group", group])[0]
    equal((row["CURRENT-OFFSET"], row["LAG"]), ("12", "28"))
    groups(bootstrap, "--delete-offsets", "--group", group, "--topic", topic)
    groups(bootstrap, "--delete", "--group", group)
    equal(group in groups(bootstrap, "--list").split(), False, "the group is gone")


@case("consumer_group", full=True)
def group_configs(bootstrap):
    group = unique("group")
    which = ["--entity-type", "groups", "--entity-name", group]
    setting = "consumer.session.timeout.ms=50000"
    tool("configs", "--alter", *which, "--add-config", setting, bootstrap=bootstrap)
    contains(tool("configs", "--describe", *which, bootstrap=bootstrap), setting)
    refused = ["--add-config", "consumer.session.timeout.ms=1"]
    tool("configs", "--alter", *which, *refused, code=1, bootstrap=bootstrap)


@case("consumer_group", full=True)
def console_consumer(bootstrap):
    topic, group = create(bootstrap, "console"), unique("group")
    produce(bootstrap, topic, [f"v{i}" for i in range(10)])
    flags = ["--topic", topic, "--group", group, "--from-beginning", "--max-messages", 10]
    flags += ["--timeout-ms", 30000, "--command-property", "group.protocol=consumer"]
    text = tool("console-consumer", *flags, bootstrap=bootstrap)
    equal(text.split(), [f"v{i}" for i in range(10)])
    rows = rows_of(bootstrap, ["--describe", "--group", group])
    equal([row["CURRENT-OFFSET"] for row in rows], ["10"], "committed")
