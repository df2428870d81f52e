"""Drives a broker with Apache Kafka's command-line tools. How to call it: see ../python/runner.py.

CONFORMANCE_CLASSPATH has Kafka's jars.
"""

import json
import re
import tempfile
from pathlib import Path

from tool import consume, contains, create, produce, tool
from runner import case, equal, main, unique

# These register their cases.
import consumer_groups  # noqa: F401
import transactions  # noqa: F401

# topics


@case("topics")
def topics(bootstrap):
    topic = create(bootstrap, "topics", 2, "--config", "retention.ms=1234567")
    contains(tool("topics", "--list", bootstrap=bootstrap), topic)
    described = tool("topics", "--describe", "--topic", topic, bootstrap=bootstrap)
    contains(described, "PartitionCount: 2", "ReplicationFactor: 1", "retention.ms=1234567")
    tool("topics", "--alter", "--topic", topic, "--partitions", 3, bootstrap=bootstrap)
    described = tool("topics", "--describe", "--topic", topic, bootstrap=bootstrap)
    contains(described, "PartitionCount: 3")
    text = tool("topics", "--create", "--topic", topic, code=1, bootstrap=bootstrap)
    contains(text, "already exists")
    tool("topics", "--delete", "--topic", topic, bootstrap=bootstrap)
    listed = tool("topics", "--list", bootstrap=bootstrap)
    equal(topic in listed.splitlines(), False, "the topic is gone")


@case("topics")
def topics_by_default(bootstrap):
    topic = unique("defaults")
    tool("topics", "--create", "--topic", topic, bootstrap=bootstrap)
    described = tool("topics", "--describe", "--topic", topic, bootstrap=bootstrap)
    contains(described, "ReplicationFactor: 1")
    flags = ["--under-replicated-partitions", "--topic", topic]
    equal(tool("topics", "--describe", *flags, bootstrap=bootstrap).strip(), "")


@case("topics")
def configs(bootstrap):
    topic = create(bootstrap, "configs")
    which = ["--entity-type", "topics", "--entity-name", topic]
    tool("configs", "--alter", *which, "--add-config", "retention.ms=99999", bootstrap=bootstrap)
    contains(tool("configs", "--describe", *which, bootstrap=bootstrap), "retention.ms=99999")
    tool("configs", "--alter", *which, "--delete-config", "retention.ms", bootstrap=bootstrap)
    described = tool("configs", "--describe", "--all", *which, bootstrap=bootstrap)
    contains(described, "retention.ms=604800000", "DEFAULT_CONFIG")


@case("topics", full=True)
def configs_of_brokers(bootstrap):
    which = ["--entity-type", "brokers", "--entity-default"]
    tool("configs", "--alter", *which, "--add-config", "log.cleaner.threads=2", bootstrap=bootstrap)
    contains(tool("configs", "--describe", *which, bootstrap=bootstrap), "log.cleaner.threads=2")
    tool("configs", "--alter", *which, "--delete-config", "log.cleaner.threads", bootstrap=bootstrap)
    which = ["--entity-type", "brokers", "--entity-name", "1"]
    contains(tool("configs", "--describe", "--all", *which, bootstrap=bootstrap), "num.partitions=")


@case("topics")
def quotas(bootstrap):
    which = ["--entity-type", "clients", "--entity-name", unique("client")]
    quota = "producer_byte_rate=1048576"
    tool("configs", "--alter", *which, "--add-config", quota, bootstrap=bootstrap)
    contains(tool("configs", "--describe", *which, bootstrap=bootstrap), quota)


@case("topics", full=True)
def leader_election(bootstrap):
    topic = create(bootstrap, "election")
    arguments = ["--election-type", "preferred", "--topic", topic, "--partition", 0]
    text = tool("leader-election", *arguments, bootstrap=bootstrap)
    contains(text, "Valid replica already elected")


# records


@case("records")
def console(bootstrap):
    topic = create(bootstrap, "console")
    keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]
    produce(bootstrap, topic, [f"k{i}:v{i}" for i in range(100)], *keyed)
    shown = ["--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"]
    equal(consume(bootstrap, topic, 100, *shown), [f"k{i}:v{i}" for i in range(100)])
    got = consume(bootstrap, topic, 10, "--partition", 0, "--offset", 90)
    equal(got, [f"v{i}" for i in range(90, 100)])


@case("records")
def headers(bootstrap):
    topic = create(bootstrap, "headers")
    produce(bootstrap, topic, ["a:1,a:2\tv"], "--reader-property", "parse.headers=true")
    shown = ["--formatter-property", "print.headers=true"]
    equal(consume(bootstrap, topic, 1, *shown), ["a:1,a:2\tv"])


@case("records")
def offsets_and_deletion(bootstrap):
    topic = create(bootstrap, "offsets")
    produce(bootstrap, topic, [f"v{i}" for i in range(50)])
    get = lambda time: tool(  # noqa: E731
        "get-offsets", "--topic", topic, "--time", time, bootstrap=bootstrap
    ).strip()
    equal(get("latest"), f"{topic}:0:50")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        rows = [{"topic": topic, "partition": 0, "offset": 20}]
        json.dump({"partitions": rows, "version": 1}, file)
        file.flush()
        text = tool("delete-records", "--offset-json-file", file.name, bootstrap=bootstrap)
        contains(text, "low_watermark: 20")
    equal(get("earliest"), f"{topic}:0:20")


@case("records", full=True)
def offsets_of_an_empty_partition(bootstrap):
    topic = create(bootstrap, "empty")
    for when, offset in (("-1", "0"), ("-2", "0"), ("-3", ""), ("-4", "0"), ("-5", "")):
        text = tool("get-offsets", "--topic", topic, "--time", when, bootstrap=bootstrap).strip()
        equal(text, f"{topic}:0:{offset}" if offset else "", f"time {when}")


@case("records")
def log_files(bootstrap):
    """The size in log-dirs, and a closed segment with its indexes as dump-log reads them."""
    topic = create(bootstrap, "files", 1, "--config", "segment.bytes=1048576")
    lines = [f"v{i}-" + "x" * 4000 for i in range(600)]
    produce(bootstrap, topic, lines, "--batch-size", 16384)
    text = tool("log-dirs", "--describe", "--topic-list", topic, bootstrap=bootstrap)
    found = json.loads(text[text.index("{") :])
    rows = [
        (directory["logDir"], partition)
        for broker in found["brokers"]
        for directory in broker["logDirs"]
        for partition in directory["partitions"]
    ]
    equal([row["partition"] for _, row in rows], [f"{topic}-0"])
    folder = Path(rows[0][0]) / f"{topic}-0"
    segments = sorted(folder.glob("*.log"))
    equal(len(segments) >= 2, True, f"several segments: {segments}")
    equal(rows[0][1]["size"], sum(segment.stat().st_size for segment in segments), "size")
    first = segments[0]
    dumped = tool("dump-log", "--deep-iteration", "--print-data-log", "--files", first)
    got = re.findall(r"payload: (v\d+-)", dumped)
    equal(got, [f"v{i}-" for i in range(len(got))])
    equal(len(got) > 200, True, "records in the first segment")
    equal("isvalid: false" in dumped, False, "every checksum holds")
    for index in ("index", "timeindex"):
        text = tool("dump-log", "--index-sanity-check", "--files", first.with_suffix(f".{index}"))
        contains(text, "passed sanity check")
    indexes = ",".join(str(first.with_suffix(f".{index}")) for index in ("index", "timeindex"))
    text = tool("dump-log", "--files", indexes)
    equal("Mismatches" in text or "out of order" in text, False, text[-300:])


@case("records")
def perf_tests(bootstrap):
    topic = create(bootstrap, "perf", 3)
    sizes = ["--num-records", 20000, "--record-size", 200, "--throughput", -1]
    settings = ["--command-property", "acks=all"]
    text = tool(
        "producer-perf-test", "--topic", topic, *sizes, *settings, bootstrap=bootstrap
    )
    contains(text, "20000 records sent")
    flags = ["--topic", topic, "--num-records", 20000, "--timeout", 30000]
    text = tool("consumer-perf-test", *flags, bootstrap=bootstrap)
    equal(int(float(text.splitlines()[-1].split(", ")[4])) >= 20000, True, text)


@case("records")
def verifiable(bootstrap):
    topic, group = create(bootstrap, "verifiable", 2), unique("group")
    flags = ["--topic", topic, "--max-messages", 500, "--acks", -1]
    rows = events(tool("verifiable-producer", *flags, bootstrap=bootstrap))
    sent = [row["value"] for row in rows if row["name"] == "producer_send_success"]
    equal(len(sent), 500, "acknowledged")
    flags = ["--topic", topic, "--group-id", group, "--max-messages", 500]
    flags += ["--reset-policy", "earliest", "--verbose"]
    rows = events(tool("verifiable-consumer", *flags, bootstrap=bootstrap))
    got = [row["value"] for row in rows if row["name"] == "record_data"]
    equal(sorted(got), sorted(sent), "values")
    equal(any(row["name"] == "offsets_committed" for row in rows), True, "a commit")


def events(output):
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


@case("records", full=True)
def end_to_end_latency(bootstrap):
    topic = create(bootstrap, "latency")
    flags = ["--topic", topic, "--num-records", 100]
    flags += ["--producer-acks", "all", "--record-size", 100]
    contains(tool("e2e-latency", *flags, bootstrap=bootstrap), "Avg latency", "Percentiles")


# groups


def lags(bootstrap, group):
    """(committed, end, lag) of each partition, as text."""
    text = tool("consumer-groups", "--describe", "--group", group, bootstrap=bootstrap)
    lines = [line.split() for line in text.splitlines() if line.strip()]
    head = next(line for line in lines if "CURRENT-OFFSET" in line)
    at = [head.index(name) for name in ("CURRENT-OFFSET", "LOG-END-OFFSET", "LAG")]
    return [tuple(line[i] for i in at) for line in lines if line[0] == group]


@case("groups")
def consumer_groups(bootstrap):
    topic, group = create(bootstrap, "groups"), unique("group")
    produce(bootstrap, topic, [f"v{i}" for i in range(40)])
    consume(bootstrap, topic, 30, "--group", group, "--from-beginning")
    equal(lags(bootstrap, group), [("30", "40", "10")])
    contains(tool("consumer-groups", "--list", bootstrap=bootstrap), group)
    state = ["--describe", "--group", group, "--state"]
    contains(tool("consumer-groups", *state, bootstrap=bootstrap), "Empty")
    which = ["--reset-offsets", "--group", group, "--topic", topic, "--execute"]
    tool("consumer-groups", *which, "--to-offset", 12, bootstrap=bootstrap)
    equal(lags(bootstrap, group), [("12", "40", "28")])
    tool("consumer-groups", "--delete", "--group", group, bootstrap=bootstrap)
    listed = tool("consumer-groups", "--list", bootstrap=bootstrap)
    equal(group in listed.splitlines(), False, "the group is gone")


@case("groups", full=True)
def resets(bootstrap):
    topic, group = create(bootstrap, "resets"), unique("group")
    produce(bootstrap, topic, [f"v{i}" for i in range(40)])
    which = ["--reset-offsets", "--group", group, "--topic", topic, "--execute"]
    for how, committed in (
        (["--to-earliest"], "0"),
        (["--to-latest"], "40"),
        (["--shift-by", "-5"], "35"),
        (["--to-datetime", "2020-01-01T00:00:00.000"], "0"),
        (["--by-duration", "PT0S"], "40"),
    ):
        tool("consumer-groups", *which, *how, bootstrap=bootstrap)
        equal(lags(bootstrap, group)[0][0], committed, f"{how}")
    forget = ["--delete-offsets", "--group", group, "--topic", topic]
    tool("consumer-groups", *forget, bootstrap=bootstrap)
    contains(tool("groups", "--list", bootstrap=bootstrap), "GROUP")


# cluster


@case("cluster")
def api_versions(bootstrap):
    text = tool("broker-api-versions", bootstrap=bootstrap)
    contains(text, "Produce(0): ", "Fetch(1): ", "ApiVersions(18): ")
    equal("UNSUPPORTED" in text.split("Fetch(1)")[1].split(",")[0], False, "Fetch is served")


@case("cluster")
def features(bootstrap):
    contains(tool("features", "describe", bootstrap=bootstrap), "metadata.version")


@case("cluster")
def quorum(bootstrap):
    text = tool("metadata-quorum", "describe", "--status", bootstrap=bootstrap)
    contains(text, "LeaderId:", "CurrentVoters:")
    text = tool("metadata-quorum", "describe", "--replication", bootstrap=bootstrap)
    contains(text, "Leader")


@case("cluster")
def cluster_id(bootstrap):
    text = tool("cluster", "cluster-id", "--bootstrap-server", bootstrap)
    contains(text, "Cluster ID: ")


@case("cluster", full=True)
def producers_of_a_partition(bootstrap):
    topic = create(bootstrap, "producers")
    produce(bootstrap, topic, ["v"])
    which = ["describe-producers", "--topic", topic, "--partition", 0]
    text = tool("transactions", *which, bootstrap=bootstrap)
    contains(text, "ProducerId")


if __name__ == "__main__":
    main()
