"""The machine: what it is, and what else happened on it."""

import mmap
import os
import pathlib
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def first_match(path, prefix):
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(prefix):
            return line.split(":", 1)[1].strip()
    return "unknown"


def describe(directory):
    """Facts of the machine, for the report."""
    mount = subprocess.run(
        ["df", "--output=fstype", directory], capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {
        "processor": first_match("/proc/cpuinfo", "model name"),
        "processors": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": os.uname().release,
        "file_system": mount,
        "java": java.splitlines()[0],
        "revision": revision.stdout.strip() or "unknown",
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
        "load_before": os.getloadavg()[0],
        "foreign_before": foreign_share(),
    }


def processor_ticks():
    """Ticks of all processors by kind: user, nice, system, idle, iowait, irq, softirq, steal."""
    line = pathlib.Path("/proc/stat").read_text().splitlines()[0]
    return [int(word) for word in line.split()[1:9]]


def steal_share(before):
    spent = [after - earlier for earlier, after in zip(before, processor_ticks())]
    return spent[7] / max(1, sum(spent))


def foreign_share():
    """Share of one processor that is busy while we do nothing."""
    before = processor_ticks()
    time.sleep(1)
    spent = [after - earlier for earlier, after in zip(before, processor_ticks())]
    return (sum(spent) - spent[3] - spent[4]) / TICKS_PER_SECOND


def pre_touch():
    """Writes every page of 85 % of the free memory: first touch is dear on virtual machines."""
    free = int(first_match("/proc/meminfo", "MemFree").split()[0]) * 1024
    size = int(free * 0.85) // 2**26 * 2**26
    if os.fork() == 0:
        memory, block = mmap.mmap(-1, size), b"\1" * 2**26
        for at in range(0, size, 2**26):
            memory[at : at + 2**26] = block
        os._exit(0)
    os.wait()
    subprocess.run(["sync"], check=True)
