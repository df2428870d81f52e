"""Runs Apache Kafka's command-line tools. CONFORMANCE_CLASSPATH has Kafka's jars."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

from runner import PATIENCE, equal, unique  # noqa: E402

TOOLS = "org.apache.kafka.tools."
MAIN = {
    "broker-api-versions": TOOLS + "BrokerApiVersionsCommand",
    "cluster": TOOLS + "ClusterTool",
    "configs": "kafka.admin.ConfigCommand",
    "console-consumer": TOOLS + "consumer.ConsoleConsumer",
    "console-producer": TOOLS + "ConsoleProducer",
    "consumer-groups": TOOLS + "consumer.group.ConsumerGroupCommand",
    "consumer-perf-test": TOOLS + "ConsumerPerformance",
    "delete-records": TOOLS + "DeleteRecordsCommand",
    "dump-log": TOOLS + "DumpLogSegments",
    "e2e-latency": TOOLS + "EndToEndLatency",
    "features": TOOLS + "FeatureCommand",
    "get-offsets": TOOLS + "GetOffsetShell",
    "groups": TOOLS + "GroupsCommand",
    "leader-election": TOOLS + "LeaderElectionCommand",
    "log-dirs": TOOLS + "LogDirsCommand",
    "metadata-quorum": TOOLS + "MetadataQuorumCommand",
    "producer-perf-test": TOOLS + "ProducerPerformance",
    "reassign-partitions": TOOLS + "reassign.ReassignPartitionsCommand",
    "topics": TOOLS + "TopicCommand",
    "transactions": TOOLS + "TransactionsCommand",
    "verifiable-consumer": TOOLS + "VerifiableConsumer",
    "verifiable-producer": TOOLS + "VerifiableProducer",
}


def tool(name, *arguments, data="", code=0, bootstrap=None):
    """Runs a tool and returns what it printed, both streams together where it fails."""
    command = ["java", "-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
    command += ["-cp", os.environ["CONFORMANCE_CLASSPATH"], MAIN[name]]
    if bootstrap:
        command += ["--bootstrap-server", bootstrap]
    done = subprocess.run(
        command + [str(one) for one in arguments],
        input=data,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    output = done.stdout if code == 0 else done.stdout + done.stderr
    said = f"exit code of {name}, with {done.stdout[-300:]} {done.stderr[-600:]}"
    equal(done.returncode, code, said)
    return output


def contains(output, *parts):
    for part in parts:
        equal(part in output, True, f"'{part}' in {output[-600:]}")


def create(bootstrap, prefix, partitions=1, *more):
    topic = unique(prefix)
    arguments = ["--create", "--topic", topic, "--partitions", partitions, *more]
    contains(tool("topics", *arguments, bootstrap=bootstrap), f"Created topic {topic}")
    return topic


def produce(bootstrap, topic, lines, *more):
    data = "".join(f"{line}\n" for line in lines)
    tool("console-producer", "--topic", topic, *more, data=data, bootstrap=bootstrap)


def consume(bootstrap, topic, count, *more):
    start = () if "--offset" in more or "--group" in more else ("--from-beginning",)
    arguments = ["--topic", topic, "--max-messages", count, "--timeout-ms", 30000, *start, *more]
    return tool("console-consumer", *arguments, bootstrap=bootstrap).splitlines()
