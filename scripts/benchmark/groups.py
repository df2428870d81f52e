"""Groups: many members of one, and many groups with committed offsets."""

import json
import pathlib
import subprocess

from cases import in_turn, processor_time_of, say

MEMBERS = pathlib.Path(__file__).with_name("members.py")


def group100(systems, flags, _root):
    """A hundred members of KIP-848; time until the group is stable after one joined or left."""
    results = {}
    members = 10 if flags.quick else 100
    for system in systems:
        system.start_and_wait()
    for number, system in in_turn(systems, min(flags.rounds, 3)):
        topic = f"group100-{number}"
        system.load("create-topic", "--topic", topic, "--partitions", 2 * members)
        command = [flags.python, "-B", str(MEMBERS), system.address, topic]
        command += [str(members), str(2 * members), "1" if flags.quick else "5"]
        run = lambda: subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: E731
        done, seconds = processor_time_of(system, run)
        found = json.loads(done.stdout) | {"processor_s": seconds, "members": members}
        system.load("delete-topic", "--topic", topic)
        joins, leaves = (", ".join(f"{one:.2f}" for one in found[key]) for key in ("join_s", "leave_s"))
        say(f"{system.label}: first {found['first_s']:.2f} s, joins {joins} s, leaves {leaves} s, processor {seconds:.1f} s")
        results.setdefault(system.label, []).append(found)
    for system in systems:
        system.kill()
    return results


def groups10k(systems, flags, _root):
    """Ten thousand groups with offsets: commits per processor second, and the time to be back after kill -9."""
    groups = max(500, int(10_000 * flags.scale))
    results = {}
    for system in systems:
        system.start_and_wait()
        system.load("create-topic", "--topic", "groups10k")
        which = ["--topic", "groups10k", "--groups", groups]
        # The first run makes the groups, and warms up.
        system.load("commit-offsets", *which, "--seconds", flags.seconds)
    for _, system in in_turn(systems, flags.rounds):
        timing = ["--warmup-seconds", 0, "--seconds", flags.seconds]
        found, seconds = processor_time_of(system, lambda: system.load("commit-offsets", *which, *timing))
        found["per_processor_s"] = found["count"] / seconds
        system.kill()
        load = system.load_begin("await-offsets", *which)
        system.start()
        found["restart_ms"] = system.finish(load)["ms"]
        say(
            f"{system.label}: {found['per_second']:,.0f} commits/s, {found['per_processor_s']:,.0f} per processor second; "
            f"{groups} groups back after {found['restart_ms']:,.0f} ms"
        )
        results.setdefault(system.label, []).append(found)
    for system in systems:
        system.kill()
    return results
