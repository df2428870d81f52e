"""The servers that are measured: how each is started, ended and watched."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from machine import TICKS_PER_SECOND

KAFKA_LOG4J = "conformance/clients/java"
KAFKA_JVM = (
    "-Xmx1G -Xms1G -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 "
    "-XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true -Dconformance.log=INFO"
).split()
START_SECONDS_MAX = 60


class Server:
    """One server on 127.0.0.1. `label` stands in tables, `name` in files."""

    def __init__(self, name, directory, port, flags):
        self.name, self.directory, self.port, self.flags = name, directory, port, flags
        self.address = f"127.0.0.1:{port}"
        self.pid, self.process = None, None
        directory.mkdir(parents=True)

    def prefix(self):
        return ["taskset", "-c", "0"] if self.flags.pinned else []

    def start(self):
        """Starts it with what its directory holds, and returns when it takes requests."""
        self.prepare()
        log = open(self.directory / "server.log", "ab")
        command = self.prefix() + self.command()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid

    def start_and_wait(self):
        self.start()
        end = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended, see {self.directory}/server.log")
            if self.load("create-topic", "--topic", "bench-ready", check=False) is not None:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} is not ready after {START_SECONDS_MAX} s")

    def start_measured(self):
        """Starts it on an empty directory; milliseconds to the first acknowledged record."""
        self.erase()
        self.prepare()
        server = self.prefix() + self.command()
        log = self.directory / "server.log"
        found = self.load("first", "--topic", "bench-first", "--log", log, "--", *server)
        self.pid = found["pid"]
        return found

    def kill(self):
        """Ends it as a crash does."""
        if self.pid is None:
            return
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self.process is not None:
            self.process.wait()
        while self.is_running():
            time.sleep(0.002)
        self.pid, self.process = None, None

    def is_running(self):
        try:
            state = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            return state not in "ZX"
        except FileNotFoundError:
            return False

    def erase(self):
        assert self.pid is None
        shutil.rmtree(self.directory)
        self.directory.mkdir(parents=True)

    def processor_seconds(self):
        """User and system time of the process so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"{self.name} has ended")

    def load(self, command, *arguments, check=True):
        """Runs the load driver against it; what it reports, or None where that may fail."""
        return self.finish(self.load_begin(command, *arguments, quiet=not check), check)

    def load_begin(self, command, *arguments, quiet=False):
        pin = ["taskset", "-c", "1"] if self.flags.pinned else []
        call = pin + [self.flags.load, command, "--bootstrap", self.address]
        call += [str(argument) for argument in arguments]
        errors = subprocess.DEVNULL if quiet else None
        return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=errors, text=True)

    @staticmethod
    def finish(process, check=True):
        text, _ = process.communicate()
        if process.returncode != 0:
            if check:
                raise RuntimeError(f"{process.args} ended with {process.returncode}")
            return None
        return json.loads(text)

    def tool(self, main, *arguments):
        """Runs one of Kafka's tools against it and returns what it prints."""
        pin = ["taskset", "-c", "1"] if self.flags.pinned else []
        command = pin + ["java", "-Xmx512M", "-cp", f"{KAFKA_LOG4J}:{self.flags.jars}/*", main]
        command += ["--bootstrap-server", self.address, *(str(argument) for argument in arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{main} against {self.name} ended with {done.returncode}: {done.stdout}")
        return done.stdout


class Kafka(Server):
    """Apache Kafka, controller and broker in one process, with the flags of its own scripts."""

    label = "Kafka"

    def command(self):
        classes = f"{KAFKA_LOG4J}:{self.flags.jars}/*"
        return ["java", *KAFKA_JVM, "-cp", classes, "kafka.Kafka", str(self.directory / "server.properties")]

    def prepare(self):
        if (self.directory / "data" / "meta.properties").exists():
            return
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self.port + 1}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self.port + 1}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.directory / "data",
            "log.segment.delete.delay.ms": 1000,
            "group.initial.rebalance.delay.ms": 0,
        }
        for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"]:
            settings[f"{topic}.replication.factor"] = 1
        for topic in ["transaction.state.log", "share.coordinator.state.topic"]:
            settings[f"{topic}.min.isr"] = 1
        file = self.directory / "server.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        command = ["java", "-cp", f"{KAFKA_LOG4J}:{self.flags.jars}/*", "kafka.tools.StorageTool"]
        command += ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Milena(Server):
    """Milena with one of its durabilities, which is its name."""

    @property
    def label(self):
        return f"Milena {self.name}"

    def command(self):
        command = [self.flags.milena, "dev", "--data", str(self.directory / "data")]
        command += ["--port", str(self.port), "--admin-port", "0"]
        return command + ["-X", f"log.durability={self.name}", "-X", "log.segment.delete.delay.ms=1000"]

    def prepare(self):
        pass
