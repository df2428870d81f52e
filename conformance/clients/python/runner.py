"""Runs the cases of a driver and says on standard output how each went.

    driver.py BOOTSTRAP CASE-OR-AREA...    PASS NAME SECONDS, or FAIL NAME SECONDS MESSAGE, one line each
    driver.py --list                       NAME AREA fixed|full

An area stands for its fixed cases, or for all of them when MILENA_CONFORMANCE_FULL is set.
"""

import asyncio
import inspect
import os
import sys
import time
import traceback
import uuid

# Seconds that one wait may take, far above what any broker needs, so that a hang is a failure.
PATIENCE = 30.0

_cases = []


def case(area, full=False, tries=1):
    """Registers a function as a case of `area`; `full` keeps it out of the fixed part.

    More than one of `tries` is only for a fault of the client that shows on Apache Kafka as well.
    """

    def register(function):
        _cases.append((function.__name__, area, full, again(function, tries)))
        return function

    return register


def again(function, tries):
    def attempt(bootstrap):
        for left in reversed(range(tries)):
            try:
                return function(bootstrap)
            except AssertionError as error:
                if not left:
                    raise
                print(f"{function.__name__}: once more after: {error}", file=sys.stderr)

    return function if tries == 1 else attempt


def unique(prefix):
    """A name that no other case or run uses."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def until(what, attempt, patience=PATIENCE):
    """Calls `attempt` until it returns something true, and returns that."""
    end = time.monotonic() + patience
    while True:
        result = attempt()
        if result:
            return result
        assert time.monotonic() < end, f"gave up after {patience} s: {what}"


def equal(got, expected, what="value"):
    """Compares and names what differs."""
    assert got == expected, f"{what}: got {shown(got)}, expected {shown(expected)}"


def shown(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:300] + "..."


def main():
    if sys.argv[1:] == ["--list"]:
        for name, area, full, _ in _cases:
            print(name, area, "full" if full else "fixed")
        return
    bootstrap, wanted = sys.argv[1], sys.argv[2:]
    everything = bool(os.environ.get("MILENA_CONFORMANCE_FULL"))
    chosen = [
        row
        for row in _cases
        if row[0] in wanted or (row[1] in wanted and (everything or not row[2]))
    ]
    failed = 0
    for name, _, _, function in chosen:
        start = time.monotonic()
        try:
            outcome = function(bootstrap)
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)
            print(f"PASS {name} {time.monotonic() - start:.1f}", flush=True)
        except Exception as error:  # Every kind of fault is the result of its case.
            failed += 1
            traceback.print_exc()
            message = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            print(f"FAIL {name} {time.monotonic() - start:.1f} {message}", flush=True)
    sys.stdout.flush()
    # Threads of a client that failed may never end.
    os._exit(1 if failed or not chosen else 0)
