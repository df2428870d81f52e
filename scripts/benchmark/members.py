"""Many consumers of one group of KIP-848 in one process: members.py BOOTSTRAP TOPIC MEMBERS PARTITIONS ROUNDS.

They are librdkafka's. Prints one line of JSON: seconds until every partition has one owner and no member
has two more than another, after all joined, and then for each round after one more joined and after one left.
"""

import json
import os
import sys
import time
import uuid

from confluent_kafka import Consumer

PATIENCE = 120.0


class Member:
    def __init__(self, bootstrap, group, topic):
        self.owned = set()
        settings = {
            "bootstrap.servers": bootstrap,
            "broker.address.family": "v4",
            "group.id": group,
            "group.protocol": "consumer",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 1000,
        }
        self.consumer = Consumer(settings)
        self.consumer.subscribe([topic], on_assign=self.assigned, on_revoke=self.revoked)

    def assigned(self, consumer, partitions):
        self.owned |= {one.partition for one in partitions}
        consumer.incremental_assign(partitions)

    def revoked(self, consumer, partitions):
        self.owned -= {one.partition for one in partitions}
        consumer.incremental_unassign(partitions)


def settle(members, partitions, start):
    """Polls until the group is stable; seconds since `start`."""
    while True:
        for member in members:
            member.consumer.poll(0)
        sizes = [len(member.owned) for member in members]
        together = set().union(*(member.owned for member in members))
        if sum(sizes) == len(together) == partitions and max(sizes) - min(sizes) <= 1:
            return time.monotonic() - start
        if time.monotonic() - start > PATIENCE:
            raise RuntimeError(f"not stable: {sum(sizes)} owned, {len(together)} different, of {partitions}")
        time.sleep(0.005)


def calm(members, seconds):
    """Lets them work for a while, so that each round begins at another moment of the heartbeats."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for member in members:
            member.consumer.poll(0)
        time.sleep(0.01)


def main():
    bootstrap, topic = sys.argv[1:3]
    count, partitions, rounds = (int(text) for text in sys.argv[3:6])
    group = f"bench-{uuid.uuid4().hex[:8]}"
    start = time.monotonic()
    members = [Member(bootstrap, group, topic) for _ in range(count)]
    found = {"first_s": settle(members, partitions, start), "join_s": [], "leave_s": []}
    for number in range(rounds):
        calm(members, 1.0 + 0.37 * number)
        start = time.monotonic()
        members.append(Member(bootstrap, group, topic))
        found["join_s"].append(settle(members, partitions, start))
        calm(members, 1.0 + 0.37 * number)
        start = time.monotonic()
        members.pop(number % count).consumer.close()
        found["leave_s"].append(settle(members, partitions, start))
    print(json.dumps(found))
    sys.stdout.flush()
    # A hundred consumers would take their time to leave.
    os._exit(0)


main()
