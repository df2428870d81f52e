"""Measures Milena beside Apache Kafka. Started by scripts/bench, which prepares what is needed."""

import argparse
import datetime
import json
import pathlib
import shlex
import shutil
import sys
import tempfile

import cases
import groups
import machine
import report
import transactions
from servers import Kafka, Milena

CASES = {
    "startup": cases.startup,
    "produce": cases.produce,
    "single": cases.single,
    "crash": cases.crash,
    "txn1": transactions.txn1,
    "txn100": transactions.txn100,
    "group100": groups.group100,
    "groups10k": groups.groups10k,
}


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--jars", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--load", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--python", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--milena", default="bin/milena", help="the binary (bin/milena)")
    parser.add_argument("--only", default=",".join(CASES), help="cases, of: " + ", ".join(CASES))
    parser.add_argument("--rounds", type=int, help="how often each case runs (5)")
    parser.add_argument("--warmup-records", type=int, help="records that warm the JVM up, per shape (10 million)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the records of a full run")
    parser.add_argument("--seconds", type=float, help="length of a run of single records (8)")
    parser.add_argument("--partitions", type=int, default=4, help="partitions under 100 producers (4)")
    parser.add_argument("--pinned", action="store_true", help="servers on processor 0, load on 1")
    parser.add_argument("--pre-touch", action="store_true", help="touch 85 %% of the free memory first")
    parser.add_argument("--directory", help="where data goes (a temporary directory)")
    parser.add_argument("--output", help="markdown file (docs/benchmarks/DATE.md; none with --quick)")
    parser.add_argument("--base-port", type=int, default=29092, help="first of the ports (29092)")
    parser.add_argument("--quick", action="store_true", help="one short round: a trial, not a measurement")
    flags = parser.parse_args()
    quick = flags.quick
    flags.rounds = flags.rounds or (1 if quick else 5)
    if flags.warmup_records is None:
        flags.warmup_records = 50_000 if quick else 10_000_000
    flags.scale *= 0.05 if quick else 1.0
    flags.seconds = flags.seconds or (2.0 if quick else 8.0)
    flags.only = [name.strip() for name in flags.only.split(",") if name.strip()]
    unknown = [name for name in flags.only if name not in CASES]
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}")
    if not flags.output and not quick:
        flags.output = f"docs/benchmarks/{datetime.date.today()}.md"
    return flags


def main():
    flags = arguments()
    root = pathlib.Path(tempfile.mkdtemp(prefix="milena-bench-", dir=flags.directory))
    port = flags.base_port
    kafka = Kafka("kafka", root / "kafka", port, flags)
    systems = [
        kafka,
        Milena("replicated", root / "replicated", port + 2, flags),
        Milena("persisted", root / "persisted", port + 3, flags),
    ]
    facts = machine.describe(root)
    facts["command"] = "make bench" + (f' ARGS="{shlex.join(sys.argv[7:])}"' if sys.argv[7:] else "")
    if flags.pre_touch:
        machine.pre_touch()
    results = {}
    before = machine.processor_ticks()
    try:
        for name in flags.only:
            print(f"== {name}", file=sys.stderr, flush=True)
            results[name] = CASES[name](systems, flags, root)
    finally:
        for system in systems:
            system.kill()
        shutil.rmtree(root, ignore_errors=True)
    facts["steal"] = machine.steal_share(before)
    text = report.markdown(facts, results, flags)
    print(text)
    if flags.output:
        path = pathlib.Path(flags.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        raw = {"machine": facts, "results": results}
        path.with_suffix(".json").write_text(json.dumps(raw, indent=1, sort_keys=True) + "\n")
        print(f"written to {path}", file=sys.stderr)


main()
