"""Drives a broker with kcat. How to call it: see ../python/runner.py."""

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

from runner import PATIENCE, case, equal, main, unique, until  # noqa: E402

# A batch may have 1048588 bytes by default; header and framing of one record without key take 72.
LARGEST_VALUE = 1048588 - 72


def kcat(bootstrap, *arguments, data=b"", settings=(), check=True):
    """Runs kcat; returns its output, or its error text where it must fail."""
    command = ["kcat", "-b", bootstrap, "-X", "broker.address.family=v4"]
    for setting in settings:
        command += ["-X", setting]
    done = subprocess.run(
        command + list(arguments), input=data, capture_output=True, timeout=PATIENCE
    )
    if check:
        equal(done.returncode, 0, f"exit code, with {done.stderr.decode()[-300:]}")
        return done.stdout
    equal(done.returncode != 0, True, "kcat fails")
    return done.stderr.decode()


def produce(bootstrap, topic, lines, *arguments, settings=()):
    data = "".join(f"{line}\n" for line in lines).encode()
    return kcat(bootstrap, "-P", "-t", topic, *arguments, data=data, settings=settings)


def consume(bootstrap, topic, *arguments, settings=()):
    """The lines from an offset (all unless told) to the end."""
    output = kcat(bootstrap, "-C", "-t", topic, "-e", "-q", *arguments, settings=settings)
    return output.decode().splitlines()


def lines(count):
    return [f"line {i}" for i in range(count)]


# produce


def check_acks(bootstrap, acks):
    topic = unique("acks")
    produce(bootstrap, topic, lines(300), settings=[f"acks={acks}"])
    until("all lines", lambda: consume(bootstrap, topic) == lines(300))


@case("produce")
def acks_none(bootstrap):
    # The first produce of all to a new topic would be lost without an acknowledgement.
    topic = unique("acks")
    produce(bootstrap, topic, ["first"])
    produce(bootstrap, topic, lines(300), settings=["acks=0"])
    until("all lines", lambda: consume(bootstrap, topic) == ["first"] + lines(300))


@case("produce")
def acks_leader(bootstrap):
    check_acks(bootstrap, 1)


@case("produce")
def acks_all(bootstrap):
    check_acks(bootstrap, "all")


def check_compression(bootstrap, codec):
    topic = unique("codec")
    produce(bootstrap, topic, lines(2000), "-z", codec)
    equal(consume(bootstrap, topic), lines(2000))


@case("produce")
def compression_none(bootstrap):
    topic = unique("codec")
    produce(bootstrap, topic, lines(2000))
    equal(consume(bootstrap, topic), lines(2000))


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
    topic = unique("headers")
    produce(bootstrap, topic, ["v"], "-H", "a=1", "-H", "b=", "-H", "a=2", "-H", "c")
    row = json.loads(consume(bootstrap, topic, "-J")[0])
    equal(row["headers"][:6], ["a", "1", "b", "", "a", "2"], "headers")
    equal(row["headers"][6:], ["c", None], "a header without value")


@case("produce")
def null_and_empty(bootstrap):
    topic = unique("null")
    produce(bootstrap, topic, ["k:", ":v", ":"], "-Z", "-K", ":")
    rows = [json.loads(line) for line in consume(bootstrap, topic, "-J")]
    equal([(row["key"], row["payload"]) for row in rows][:2], [("k", None), (None, "v")])


@case("produce")
def largest_record(bootstrap):
    topic = unique("largest")
    wide = ["message.max.bytes=3000000"]
    kcat(bootstrap, "-P", "-t", topic, data=b"L" * LARGEST_VALUE, settings=wide)
    equal(len(kcat(bootstrap, "-C", "-t", topic, "-e", "-q")), LARGEST_VALUE + 1, "bytes")


@case("produce")
def too_large_record(bootstrap):
    topic = unique("large")
    large = b"L" * (LARGEST_VALUE + 1)
    wide = ["message.max.bytes=3000000"]
    text = kcat(bootstrap, "-P", "-t", topic, data=large, settings=wide, check=False)
    equal("Message size too large" in text, True, text[-300:])


@case("produce")
def idempotent(bootstrap):
    topic = unique("idempotent")
    more = ["enable.idempotence=true", "batch.num.messages=20"]
    produce(bootstrap, topic, lines(2000), settings=more)
    equal(consume(bootstrap, topic), lines(2000))


# consume


@case("consume")
def positions(bootstrap):
    topic = unique("positions")
    before = int(time.time() * 1000)
    produce(bootstrap, topic, lines(100))
    equal(consume(bootstrap, topic, "-o", "beginning"), lines(100), "from the start")
    equal(consume(bootstrap, topic, "-o", "40"), lines(100)[40:], "from an offset")
    equal(consume(bootstrap, topic, "-o", "-10"), lines(100)[90:], "the last ten")
    equal(consume(bootstrap, topic, "-o", "end"), [], "from the end")
    equal(consume(bootstrap, topic, "-o", f"s@{before}"), lines(100), "from a time")
    later = int(time.time() * 1000) + 60000
    equal(consume(bootstrap, topic, "-o", f"s@{later}"), [], "from a time to come")


@case("consume")
def timestamps(bootstrap):
    topic = unique("query")
    produce(bootstrap, topic, lines(3))
    rows = [json.loads(line) for line in consume(bootstrap, topic, "-J")]
    equal([row["tstype"] for row in rows], ["create"] * 3)
    found = kcat(bootstrap, "-Q", "-t", f"{topic}:0:{rows[0]['ts']}").decode()
    equal(found.strip().endswith("offset 0"), True, found)


@case("consume")
def empty_topic(bootstrap):
    topic = unique("empty")
    produce(bootstrap, topic, [])
    kcat(bootstrap, "-L", "-t", topic, settings=["allow.auto.create.topics=true"])
    until("the topic is there", lambda: metadata(bootstrap, topic)["partitions"])
    equal(consume(bootstrap, topic), [])


@case("consume")
def many_fetch_sizes(bootstrap):
    topic = unique("sizes")
    produce(bootstrap, topic, [f"{i} " + "x" * 1000 for i in range(3000)])
    for size in (1, 1000, 65536, 1048576):
        more = [f"max.partition.fetch.bytes={size}", "fetch.wait.max.ms=10"]
        got = [int(line.split()[0]) for line in consume(bootstrap, topic, settings=more)]
        equal(got, list(range(3000)), f"records with {size} bytes")


def metadata(bootstrap, topic):
    found = json.loads(kcat(bootstrap, "-L", "-J", "-t", topic))
    return next(row for row in found["topics"] if row["topic"] == topic)


@case("consume")
def cluster(bootstrap):
    topic = unique("cluster")
    produce(bootstrap, topic, ["v"])
    found = json.loads(kcat(bootstrap, "-L", "-J"))
    equal(len(found["brokers"]), 1, "brokers")
    row = metadata(bootstrap, topic)["partitions"][0]
    broker = found["brokers"][0]["id"]
    equal((row["leader"], row["replicas"], row["isrs"]), (broker, [{"id": broker}], [{"id": broker}]))


# group


@case("group")
def balanced(bootstrap):
    topic, group = unique("balanced"), unique("group")
    produce(bootstrap, topic, lines(50))
    more = ["auto.offset.reset=earliest"]
    got = kcat(bootstrap, "-G", group, "-e", "-q", topic, settings=more).decode().splitlines()
    equal(got, lines(50))
    produce(bootstrap, topic, ["next"])
    got = kcat(bootstrap, "-G", group, "-e", "-q", topic, settings=more).decode().splitlines()
    equal(got, ["next"], "from the committed offset")


if __name__ == "__main__":
    main()
