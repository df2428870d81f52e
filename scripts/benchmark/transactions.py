"""Transactions: one producer, one after the other."""

from cases import in_turn, say

# Name, records of a transaction, requests that carry them.
HUNDREDS = [("100 records in 100 requests", 100, 100), ("100 records in one request", 100, 1)]


def txn1(systems, flags, _root):
    """Transactions of one record."""
    results = {}
    for system in systems:
        system.start_and_wait()
    for number, system in in_turn(systems, flags.rounds + 1):
        found = transact(system, flags, f"txn1-{number}")
        if number == 0:
            continue  # The first round warms up.
        whole, commit = found["transaction"], found["commit"]
        say(
            f"{system.label}: {whole['per_second']:,.0f} commits/s, p50 {whole['p50_us']} us, p99 {whole['p99_us']} us; "
            f"the commit alone p50 {commit['p50_us']} us"
        )
        results.setdefault(system.label, []).append(found)
    for system in systems:
        system.kill()
    return results


def transact(system, flags, topic, *more):
    system.load("create-topic", "--topic", topic)
    timing = ["--warmup-seconds", 1 if flags.quick else 2, "--seconds", flags.seconds]
    found = system.load("transact", "--topic", topic, *timing, *more)
    system.load("delete-topic", "--topic", topic)
    return found


def txn100(systems, flags, _root):
    """Transactions of a hundred records beside the same requests without transactions."""
    results = {}
    for system in systems:
        system.start_and_wait()
    for number, system in in_turn(systems, flags.rounds + 1):
        for index, (name, records, requests) in enumerate(HUNDREDS):
            shape = ["--records", records, "--requests", requests]
            plain = transact(system, flags, f"plain-{index}-{number}", *shape, "--plain", "true")
            found = transact(system, flags, f"txn100-{index}-{number}", *shape)
            if number == 0:
                continue
            rates = [one["transaction"]["per_second"] * records for one in (plain, found)]
            overhead = rates[0] / rates[1] - 1
            say(f"{name}: {system.label}: {rates[0]:,.0f} records/s without, {rates[1]:,.0f} with: {overhead:.1%}")
            row = results.setdefault(name, {}).setdefault(system.label, {"plain": [], "txn": [], "overhead": []})
            row["plain"].append(rates[0])
            row["txn"].append(rates[1])
            row["overhead"].append(overhead * 100)
    for system in systems:
        system.kill()
    return results
