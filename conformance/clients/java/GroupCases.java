import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

final class GroupCases {
    private GroupCases() {}

    static void register() {
        Harness.add("group", "eager_range", h -> rebalances(h, RangeAssignor.class));
        Harness.addFull("group", "eager_roundrobin", h -> rebalances(h, RoundRobinAssignor.class));
        Harness.addFull("group", "eager_sticky", h -> rebalances(h, StickyAssignor.class));
        Harness.add("group", "cooperative", h -> rebalances(h, CooperativeStickyAssignor.class));
        Harness.add("group", "static_member", GroupCases::staticMember);
        Harness.add("group", "commit_and_resume", GroupCases::commitAndResume);
        Harness.add("group", "reset_offsets_and_lag", GroupCases::resetOffsetsAndLag);
        Harness.add("group", "delete_offsets", GroupCases::deleteOffsets);
        Harness.add("group", "describe_and_delete_group", GroupCases::describeAndDeleteGroup);
        Harness.add("group", "remove_members", GroupCases::removeMembers);
    }

    /** One consumer of a group that remembers what was assigned and revoked. */
    static final class Member implements ConsumerRebalanceListener, AutoCloseable {
        final KafkaConsumer<byte[], byte[]> consumer;
        final Set<Integer> owned = new TreeSet<>();
        final List<Integer> revoked = new ArrayList<>();
        final List<String> records = new ArrayList<>();

        Member(Harness h, String group, String topic, Object... settings) {
            List<Object> all = new ArrayList<>(List.of("group.id", group));
            // With the other protocol the broker sets both.
            if (!List.of(settings).contains("consumer")) {
                all.addAll(List.of("heartbeat.interval.ms", 200, "session.timeout.ms", 6000));
            }
            all.addAll(List.of(settings));
            consumer = h.consumer(all.toArray());
            consumer.subscribe(List.of(topic), this);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            partitions.forEach(one -> owned.add(one.partition()));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            revoked.add(partitions.size());
            partitions.forEach(one -> owned.remove(one.partition()));
        }

        void poll() {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(20))) {
                records.add(record.partition() + "/" + record.offset());
            }
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    static void settle(List<Member> members, int each, int partitions) throws Exception {
        Harness.until(each + " partitions each", () -> {
            Set<Integer> together = new HashSet<>();
            boolean even = true;
            for (Member member : members) {
                member.poll();
                together.addAll(member.owned);
                even &= member.owned.size() == each;
            }
            return even && together.size() == partitions;
        });
    }

    private static void rebalances(Harness h, Class<?> assignor) throws Exception {
        String topic = h.topic("rebalance", 6);
        String group = Harness.unique("group");
        Object[] more = {"partition.assignment.strategy", assignor.getName()};
        List<Member> members = new ArrayList<>(List.of(new Member(h, group, topic, more)));
        settle(members, 6, 6);
        members.add(new Member(h, group, topic, more));
        settle(members, 3, 6);
        int revoked = assignor == CooperativeStickyAssignor.class ? 3 : 6;
        Harness.equal("revoked", members.get(0).revoked.contains(revoked), true);
        Harness.equal("most revoked", members.get(0).revoked.stream().max(Integer::compare).get(), revoked);
        members.add(new Member(h, group, topic, more));
        settle(members, 2, 6);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        Set<String> expected = new TreeSet<>();
        for (int i = 0; i < 120; i++) {
            records.add(new ProducerRecord<>(topic, i % 6, null, "v".getBytes()));
            expected.add(i % 6 + "/" + i / 6);
        }
        h.produce(records);
        List<String> got = new ArrayList<>();
        Harness.until("all records", () -> {
            got.clear();
            for (Member member : members) {
                member.poll();
                got.addAll(member.records);
            }
            return got.size() >= 120;
        });
        Harness.equal("count", got.size(), 120);
        Harness.equal("each record once", new TreeSet<>(got), expected);
        members.remove(0).close();
        settle(members, 3, 6);
        members.forEach(Member::close);
    }

    private static void staticMember(Harness h) throws Exception {
        String topic = h.topic("static", 4);
        String group = Harness.unique("group");
        Member first = new Member(h, group, topic, "group.instance.id", "one");
        Member second = new Member(h, group, topic, "group.instance.id", "two");
        settle(List.of(first, second), 2, 4);
        Set<Integer> owned = new TreeSet<>(second.owned);
        int revoked = first.revoked.size();
        second.close();
        Member again = new Member(h, group, topic, "group.instance.id", "two");
        settle(List.of(first, again), 2, 4);
        Harness.equal("partitions of the member that came back", again.owned, owned);
        Harness.equal("rebalances of the other", first.revoked.size(), revoked);
        Member thief = new Member(h, group, topic, "group.instance.id", "two");
        Harness.until("the older one is fenced", () -> {
            first.poll();
            thief.poll();
            try {
                again.poll();
                return false;
            } catch (FencedInstanceIdException fenced) {
                return true;
            }
        });
        List.of(first, thief, again).forEach(Member::close);
    }

    private static void commitAndResume(Harness h) throws Exception {
        String topic = h.topic("commit", 1);
        String group = Harness.unique("group");
        h.produce(Harness.numbered(topic, 100, 0));
        TopicPartition where = new TopicPartition(topic, 0);
        try (Member member = new Member(h, group, topic, "max.poll.records", 40)) {
            settle(List.of(member), 1, 1);
            Harness.equal("before", member.consumer.committed(Set.of(where)).get(where), null);
            OffsetAndMetadata wanted = new OffsetAndMetadata(40, "note");
            member.consumer.commitSync(Map.of(where, wanted));
            Harness.equal("committed", member.consumer.committed(Set.of(where)).get(where), wanted);
        }
        try (Member member = new Member(h, group, topic)) {
            Harness.until("the rest", () -> {
                member.poll();
                return member.records.size() >= 60;
            });
            Harness.equal("first record", member.records.get(0), "0/40");
        }
    }

    static long committed(Harness h, String group, TopicPartition where) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> found =
                Harness.get(h.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
        return found.get(where) == null ? -1 : found.get(where).offset();
    }

    private static void resetOffsetsAndLag(Harness h) throws Exception {
        String topic = h.topic("reset", 1);
        String group = Harness.unique("group");
        h.produce(Harness.numbered(topic, 100, 0));
        TopicPartition where = new TopicPartition(topic, 0);
        Map<TopicPartition, OffsetAndMetadata> wanted = Map.of(where, new OffsetAndMetadata(30));
        try (Member member = new Member(h, group, topic)) {
            settle(List.of(member), 1, 1);
            Harness.equal("lag while reading", member.consumer.currentLag(where).orElse(0) >= 0, true);
            Harness.refused(UnknownMemberIdException.class,
                    () -> Harness.get(h.admin.alterConsumerGroupOffsets(group, wanted).all()));
        }
        Harness.get(h.admin.alterConsumerGroupOffsets(group, wanted).all());
        long end = Harness.get(h.admin.listOffsets(Map.of(where, OffsetSpec.latest())).partitionResult(where)).offset();
        Harness.equal("lag", end - committed(h, group, where), 70L);
        try (Member member = new Member(h, group, topic)) {
            Harness.until("a record", () -> {
                member.poll();
                return !member.records.isEmpty();
            });
            Harness.equal("first record", member.records.get(0), "0/30");
        }
    }

    private static void deleteOffsets(Harness h) throws Exception {
        String topic = h.topic("forget", 1);
        String group = Harness.unique("group");
        TopicPartition where = new TopicPartition(topic, 0);
        try (Member member = new Member(h, group, topic)) {
            settle(List.of(member), 1, 1);
            member.consumer.commitSync(Map.of(where, new OffsetAndMetadata(0)));
            Harness.refused(GroupSubscribedToTopicException.class,
                    () -> Harness.get(h.admin.deleteConsumerGroupOffsets(group, Set.of(where)).partitionResult(where)));
        }
        Harness.equal("before", committed(h, group, where), 0L);
        Harness.get(h.admin.deleteConsumerGroupOffsets(group, Set.of(where)).all());
        Harness.equal("after", committed(h, group, where), -1L);
    }

    private static void describeAndDeleteGroup(Harness h) throws Exception {
        String topic = h.topic("describe", 2);
        String group = Harness.unique("group");
        try (Member member = new Member(h, group, topic, "client.id", "the-client")) {
            settle(List.of(member), 2, 2);
            ConsumerGroupDescription found =
                    Harness.get(h.admin.describeConsumerGroups(List.of(group)).all()).get(group);
            Harness.equal("state", found.groupState().toString(), "Stable");
            Harness.equal("assignor", found.partitionAssignor(), "range");
            Harness.equal("client", found.members().iterator().next().clientId(), "the-client");
            Harness.equal("partitions", found.members().iterator().next().assignment().topicPartitions().size(), 2);
            boolean listed = false;
            for (GroupListing one : Harness.get(h.admin.listGroups().all())) {
                listed |= one.groupId().equals(group);
            }
            Harness.equal("listed", listed, true);
            Harness.refused(GroupNotEmptyException.class,
                    () -> Harness.get(h.admin.deleteConsumerGroups(List.of(group)).all()));
        }
        Harness.get(h.admin.deleteConsumerGroups(List.of(group)).all());
        Harness.refused(GroupIdNotFoundException.class,
                () -> Harness.get(h.admin.deleteConsumerGroups(List.of(group)).all()));
    }

    private static void removeMembers(Harness h) throws Exception {
        String topic = h.topic("remove", 2);
        String group = Harness.unique("group");
        Member member = new Member(h, group, topic, "group.instance.id", "one");
        settle(List.of(member), 2, 2);
        RemoveMembersFromConsumerGroupOptions who =
                new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("one")));
        Harness.get(h.admin.removeMembersFromConsumerGroup(group, who).all());
        ConsumerGroupDescription found = Harness.get(h.admin.describeConsumerGroups(List.of(group)).all()).get(group);
        Harness.equal("members", found.members().size(), 0);
        member.close();
    }
}
