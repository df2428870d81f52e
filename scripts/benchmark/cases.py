"""What is measured. Every case goes through the servers in turn, forwards and backwards by rounds."""

import os
import re
import sys
import time

PRODUCER = "org.apache.kafka.tools.ProducerPerformance"
CONSUMER = "org.apache.kafka.tools.ConsumerPerformance"

# Name, records of a full run, bytes of a record, settings of the producer.
SHAPES = [
    ("1 KiB in 64 KiB batches", 1_000_000, 1024, ["batch.size=65536", "linger.ms=5"]),
    ("100 B at Java's defaults", 5_000_000, 100, []),
    ("1 KiB in 64 KiB batches, lz4", 1_000_000, 1024, ["batch.size=65536", "linger.ms=5", "compression.type=lz4"]),
]
WARMUP_RECORDS_PER_RUN = 5_000_000


def say(text):
    print(f"   {text}", file=sys.stderr, flush=True)


def in_turn(systems, rounds):
    """Rounds of all systems, every other round backwards: what drifts hits all alike."""
    for number in range(rounds):
        for system in systems if number % 2 == 0 else reversed(systems):
            yield number, system


def produce_once(system, topic, records, shape):
    name, _, size, settings = shape
    text = system.tool(
        PRODUCER, "--topic", topic, "--num-records", records, "--record-size", size,
        "--throughput", -1, "--command-property", "acks=all", *settings,
    )  # fmt: skip
    found = re.search(rf"^{records} records sent, ([\d.]+) records/sec", text, re.MULTILINE)
    if not found:
        raise RuntimeError(f"{system.label}, {name}: {text}")
    return float(found.group(1))


def consume_once(system, topic, records):
    text = system.tool(CONSUMER, "--topic", topic, "--num-records", records, "--timeout", 60_000)
    row = [field.strip() for field in text.strip().splitlines()[-1].split(",")]
    if int(row[4]) < records:
        raise RuntimeError(f"{system.label} gave {row[4]} of {records} records")
    return float(row[8])


def processor_time_of(system, work):
    """Result of `work` and the processor seconds that the server spent on it."""
    before = system.processor_seconds()
    result = work()
    time.sleep(0.5)  # What it does after its last reply counts too.
    return result, system.processor_seconds() - before


def warm_up(system, flags):
    for number, shape in enumerate(SHAPES):
        left = flags.warmup_records
        while left > 0:
            topic, records = f"warm-{number}-{left}", min(left, WARMUP_RECORDS_PER_RUN)
            system.load("create-topic", "--topic", topic)
            produce_once(system, topic, records, shape)
            system.load("delete-topic", "--topic", topic)
            left -= records


def produce(systems, flags, _root):
    """Processor seconds per GB of records: Kafka's own producer, acks=all, one partition."""
    for system in systems:
        system.start_and_wait()
    say(f"warming up with {flags.warmup_records} records of each shape")
    warm_up(systems[0], flags)
    results = {}
    for number, system in in_turn(systems, flags.rounds):
        for index, shape in enumerate(SHAPES):
            name, records, size, _ = shape
            records = int(records * flags.scale)
            topic = f"produce-{index}-{number}"
            system.load("create-topic", "--topic", topic)
            rate, seconds = processor_time_of(system, lambda: produce_once(system, topic, records, shape))
            add(results, f"produce, {name}", system, records, size, rate, seconds)
            if index == 0:
                rate, seconds = processor_time_of(system, lambda: consume_once(system, topic, records))
                add(results, "fetch, 1 KiB in 64 KiB batches", system, records, size, rate * 2**20 / size, seconds)
            system.load("delete-topic", "--topic", topic)
    for system in systems:
        system.kill()
    return results


def add(results, name, system, records, size, rate, seconds):
    per_gb = seconds / (records * size / 1e9)
    say(f"{name}: {system.label}: {per_gb:.2f} s/GB, {rate:,.0f} records/s")
    of_system = results.setdefault(name, {}).setdefault(system.label, {"s_per_gb": [], "records_per_s": []})
    of_system["s_per_gb"].append(per_gb)
    of_system["records_per_s"].append(rate)


def single(systems, flags, root):
    """Producers of one record at a time, acks=all."""
    kafka, replicated, persisted = systems
    for system in systems:
        system.start_and_wait()
    variants = [
        ("Kafka, flush.messages=1", kafka, ["--config", "flush.messages=1"]),
        ("Kafka, no sync", kafka, []),
        (replicated.label, replicated, []),
        (persisted.label, persisted, []),
    ]
    results = {"floor": [], "runs": {}}
    for producers, partitions in [(100, flags.partitions), (1, 1)]:
        for number, (label, system, config) in in_turn(variants, flags.rounds + 1):
            topic = f"single-{producers}-{number}-{len(config)}"
            size = ["--partitions", partitions]
            system.load("create-topic", "--topic", topic, *size, *config)
            found = system.load(
                "produce", "--topic", topic, *size, "--producers", producers,
                "--warmup-seconds", 2 if number else flags.seconds, "--seconds", flags.seconds,
            )  # fmt: skip
            system.load("delete-topic", "--topic", topic)
            if number == 0 and flags.rounds > 1:
                continue  # The first round warms up.
            say(f"{producers} producers: {label}: {found['per_second']:,.0f}/s, p50 {found['p50_us']} us")
            results["runs"].setdefault(str(producers), {}).setdefault(label, []).append(found)
            results["floor"].append(system.load("sync-floor", "--directory", root, "--seconds", 1))
    for system in systems:
        system.kill()
    return results


def startup(systems, flags, _root):
    """Process start on an empty directory to the first acknowledged record, and idle memory."""
    results = {}
    for _, system in in_turn(systems, flags.rounds):
        found = system.start_measured()
        time.sleep(3 if flags.quick else 10)
        found["resident_mb"] = system.resident_bytes() / 1e6
        system.kill()
        system.erase()
        say(f"{system.label}: {found['acknowledged_ms']:.0f} ms, {found['resident_mb']:.1f} MB")
        results.setdefault(system.label, []).append(found)
    return results


def crash(systems, flags, _root):
    """kill -9 under load, started again at once: the longest time without acknowledgement."""
    results = {}
    for system in systems:
        system.start_and_wait()
        system.load("create-topic", "--topic", "crash", "--partitions", flags.partitions)
    for _, system in in_turn(systems, min(flags.rounds, 3)):
        load = system.load_begin(
            "produce", "--topic", "crash", "--partitions", flags.partitions, "--producers", 10,
            "--reconnect", "true", "--warmup-seconds", 1, "--seconds", 30 if system.label == "Kafka" else 12,
        )  # fmt: skip
        time.sleep(4)
        system.kill()
        system.start()
        found = system.finish(load)
        if found["silent_at_end_ms"] > 1000:
            # What is known then is a lower bound; the other cases must not be lost for it.
            say(f"{system.label}: does not serve again within the run")
        say(f"{system.label}: {found['longest_gap_ms']:.0f} ms")
        results.setdefault(system.label, []).append(found["longest_gap_ms"])
    for system in systems:
        system.kill()
    return results
