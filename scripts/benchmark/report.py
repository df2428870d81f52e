"""Tables of the results."""

from statistics import median

LIMITS = {"startup_ms": 100, "resident_mb": 25, "crash_ms": 1000}


def spread(values, digits=1):
    """Median, and the range where there are several."""
    text = f"{median(values):,.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
    return text


def ratio(over, under):
    """Paired ratios, round by round."""
    return spread([a / b if b else float("nan") for a, b in zip(over, under)], 2)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in lines) + "\n"


def markdown(facts, results, flags):
    parts = [
        f"# Benchmark of {facts['date']}\n",
        f"Revision {facts['revision']}, beside Apache Kafka 4.3.1 in the same run, alternating. "
        f"Command: `{facts['command']}`; {flags.rounds} rounds, servers and load "
        f"{'pinned to one processor each' if flags.pinned else 'on all processors'}. "
        "A figure is the median of the rounds with its range; a ratio is of the runs of one round.\n",
        f"Machine: {facts['processors']} x {facts['processor']}, {facts['memory_gib']} GiB, Linux {facts['kernel']}, "
        f"{facts['file_system']}; {facts['java']}. Busy before the run: {facts['foreign_before']:.2f} processors "
        f"(load {facts['load_before']:.2f}); stolen during it: {facts['steal']:.1%}.\n",
    ]
    if flags.quick:
        parts.append("**A short trial, not a measurement.**\n")
    sections = {"startup": startup, "produce": produce, "single": single, "crash": crash}
    sections |= {"txn1": txn1, "txn100": txn100, "group100": group100, "groups10k": groups10k}
    parts += [section(results[name]) for name, section in sections.items() if name in results]
    return "\n".join(parts)


def startup(results):
    kafka = results["Kafka"]
    rows = []
    for label, runs in results.items():
        first = [run["acknowledged_ms"] for run in runs]
        memory = [run["resident_mb"] for run in runs]
        against = ratio([run["acknowledged_ms"] for run in kafka], first)
        rows.append([label, spread(first), against, spread(memory), ratio([run["resident_mb"] for run in kafka], memory)])
    limits = f"Aim: {LIMITS['startup_ms']} ms and {LIMITS['resident_mb']} MB."
    head = ["server", "first acknowledged record, ms", "Kafka / it", "idle memory, MB", "Kafka / it"]
    return f"## Start on an empty directory\n\n{limits}\n\n" + table(head, rows)


def produce(results):
    rows = []
    for name, systems in results.items():
        kafka = systems["Kafka"]
        for label, found in systems.items():
            seconds = ratio(kafka["s_per_gb"], found["s_per_gb"])
            rate = ratio(found["records_per_s"], kafka["records_per_s"])
            row = [name, label, spread(found["s_per_gb"], 2), seconds, spread(found["records_per_s"], 0), rate]
            rows.append(row)
    head = ["load", "server", "processor s per GB", "Kafka / it", "records/s", "it / Kafka"]
    return (
        "## Processor time of the server per GB of records\n\n"
        "producer-perf-test and consumer-perf-test of Kafka, acks=all, one partition; user and system time of the "
        "server process alone. The rate is bound by the Java client, which shares the processors.\n\n" + table(head, rows)
    )


def single(results):
    floor = [run["p50_us"] for run in results["floor"]]
    rows = []
    for producers, variants in results["runs"].items():
        rate = {label: [run["per_second"] for run in runs] for label, runs in variants.items()}
        synced, cached = rate["Kafka, flush.messages=1"], rate["Kafka, no sync"]
        for label, runs in variants.items():
            row = [producers, label, spread(rate[label], 0), ratio(rate[label], synced), ratio(rate[label], cached)]
            p50, p99 = [run["p50_us"] for run in runs], [run["p99_us"] for run in runs]
            rows.append([*row, spread(p50, 0), f"{median(p50) / median(floor):.1f}", spread(p99, 0)])
    head = ["producers", "server", "records/s", "it / Kafka synced", "it / Kafka no sync"]
    head += ["p50, us", "p50 / floor", "p99, us"]
    return (
        "## One record at a time, acks=all\n\n"
        "The load driver of `conformance`: each producer waits for the reply before its next record of 100 B. "
        f"Floor: write and fdatasync of 180 B on the same disk, p50 {spread(floor, 0)} us.\n\n" + table(head, rows)
    )


def crash(results):
    rows = [[label, spread(gaps, 0), ratio(results["Kafka"], gaps)] for label, gaps in results.items()]
    head = ["server", "longest time without acknowledgement, ms", "Kafka / it"]
    return f"## kill -9 under load, started again at once\n\nAim: {LIMITS['crash_ms']} ms.\n\n" + table(head, rows)


def txn1(results):
    kafka = [run["transaction"]["per_second"] for run in results["Kafka"]]
    rows = []
    for label, runs in results.items():
        rate = [run["transaction"]["per_second"] for run in runs]
        row = [label, spread(rate, 0), ratio(rate, kafka)]
        for part in ("transaction", "commit"):
            row += [spread([run[part][key] for run in runs], 0) for key in ("p50_us", "p99_us")]
        rows.append(row)
    head = ["server", "transactions/s", "it / Kafka", "p50, us", "p99, us", "commit p50, us", "commit p99, us"]
    return (
        "## Transactions of one record, one producer\n\n"
        "The load driver: one Produce (version 12) and one EndTxn (version 5) each. Kafka keeps the first Produce of a "
        "transaction until the markers of the one before are written, which the times of a whole transaction show.\n\n"
        + table(head, rows)
    )


def txn100(results):
    rows = []
    for name, systems in results.items():
        for label, found in systems.items():
            row = [name, label, spread(found["plain"], 0), spread(found["txn"], 0), spread(found["overhead"], 1)]
            rows.append(row)
    head = ["load", "server", "records/s without", "records/s with", "overhead, %"]
    return (
        "## Transactions of a hundred records against none\n\n"
        "The same requests by an idempotent producer, one after the other.\n\n" + table(head, rows)
    )


def group100(results):
    rows = []
    for label, runs in results.items():
        joins = [one for run in runs for one in run["join_s"]]
        leaves = [one for run in runs for one in run["leave_s"]]
        first = [run["first_s"] for run in runs]
        cpu = [run["processor_s"] for run in runs]
        rows.append([label, spread(first, 2), spread(joins, 2), spread(leaves, 2), spread(cpu, 1)])
    head = ["server", "all join, s", "one joins, s", "one leaves, s", "processor of the run, s"]
    members = results["Kafka"][0]["members"]
    return (
        f"## A group of {members} members (KIP-848)\n\n"
        "Consumers of librdkafka in one process, two partitions each; seconds until every partition has one owner and no "
        "member has two more than another. The broker's interval of heartbeats is its default.\n\n" + table(head, rows)
    )


def groups10k(results):
    kafka = {key: [run[key] for run in results["Kafka"]] for key in ("per_processor_s", "restart_ms")}
    rows = []
    for label, runs in results.items():
        found = {key: [run[key] for run in runs] for key in ("per_second", "per_processor_s", "restart_ms")}
        row = [label, spread(found["per_second"], 0), spread(found["per_processor_s"], 0)]
        row += [ratio(found["per_processor_s"], kafka["per_processor_s"]), spread(found["restart_ms"], 0)]
        rows.append([*row, ratio(kafka["restart_ms"], found["restart_ms"])])
    head = ["server", "commits/s", "commits per processor s", "it / Kafka", "back after kill -9, ms", "Kafka / it"]
    groups = results["Kafka"][0]["groups"]
    return (
        f"## {groups:,} groups with committed offsets\n\n"
        "50 connections, one partition a commit; then kill -9, a start, and the time until the offsets of all groups "
        "were answered, the start of the program included.\n\n" + table(head, rows)
    )
