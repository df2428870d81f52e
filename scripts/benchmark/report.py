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
    return spread([a / b for a, b in zip(over, under)], 2)


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
