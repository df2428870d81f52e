import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/** The group protocol of KIP-848. */
final class ConsumerGroupCases {
    private ConsumerGroupCases() {}

    private static final Object[] MODERN = {"group.protocol", "consumer"};
    private static final Object[] CLASSIC = {
        "partition.assignment.strategy", CooperativeStickyAssignor.class.getName()
    };

    static void register() {
        Harness.add("consumer_group", "uniform", h -> rebalances(h, "uniform"));
        Harness.add("consumer_group", "range_assignor", h -> rebalances(h, "range"));
        Harness.add("consumer_group", "kip848_static_member", ConsumerGroupCases::staticMember);
        Harness.add("consumer_group", "regex", ConsumerGroupCases::regex);
        Harness.add("consumer_group", "regex_of_the_client", ConsumerGroupCases::regexOfTheClient);
        Harness.add("consumer_group", "wrong_regex", ConsumerGroupCases::wrongRegex);
        Harness.add("consumer_group", "kip848_commit_and_resume", ConsumerGroupCases::commitAndResume);
        Harness.add("consumer_group", "kip848_reset_offsets", ConsumerGroupCases::resetOffsets);
        Harness.add("consumer_group", "partition_growth_is_assigned", ConsumerGroupCases::growth);
        Harness.add("consumer_group", "describe_and_delete_consumer_group", ConsumerGroupCases::describeAndDelete);
        Harness.add("consumer_group", "migration", ConsumerGroupCases::migration);
        Harness.add("consumer_group", "unknown_assignor", ConsumerGroupCases::unknownAssignor);
        Harness.addFull("consumer_group", "many_members", ConsumerGroupCases::manyMembers);
    }

    private static GroupCases.Member join(Harness h, String group, String topic, Object... more) {
        List<Object> all = new ArrayList<>(List.of(MODERN));
        all.addAll(List.of(more));
        return new GroupCases.Member(h, group, topic, all.toArray());
    }

    private static List<String> readAll(List<GroupCases.Member> members, int count) throws Exception {
        List<String> got = new ArrayList<>();
        Harness.until("all records", () -> {
            got.clear();
            for (GroupCases.Member member : members) {
                member.poll();
                got.addAll(member.records);
            }
            return got.size() >= count;
        });
        return got;
    }

    private static void checkDelivery(Harness h, String topic, List<GroupCases.Member> members, int partitions)
            throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        Set<String> expected = new TreeSet<>();
        for (int i = 0; i < partitions * 20; i++) {
            records.add(new ProducerRecord<>(topic, i % partitions, null, "v".getBytes()));
            expected.add(i % partitions + "/" + i / partitions);
        }
        h.produce(records);
        List<String> got = readAll(members, records.size());
        Harness.equal("count", got.size(), records.size());
        Harness.equal("each record once", new TreeSet<>(got), expected);
    }

    private static void rebalances(Harness h, String assignor) throws Exception {
        String topic = h.topic("rebalance", 6);
        String group = Harness.unique("group");
        Object[] more = {"group.remote.assignor", assignor};
        List<GroupCases.Member> members = new ArrayList<>(List.of(join(h, group, topic, more)));
        GroupCases.settle(members, 6, 6);
        members.add(join(h, group, topic, more));
        GroupCases.settle(members, 3, 6);
        Harness.equal("revoked", members.get(0).revoked.stream().mapToInt(one -> one).sum(), 3);
        members.add(join(h, group, topic, more));
        GroupCases.settle(members, 2, 6);
        checkDelivery(h, topic, members, 6);
        members.remove(0).close();
        GroupCases.settle(members, 3, 6);
        members.remove(0).close();
        GroupCases.settle(members, 6, 6);
        members.forEach(GroupCases.Member::close);
    }

    private static void staticMember(Harness h) throws Exception {
        String topic = h.topic("static", 4);
        String group = Harness.unique("group");
        GroupCases.Member first = join(h, group, topic, "group.instance.id", "one");
        GroupCases.Member second = join(h, group, topic, "group.instance.id", "two");
        GroupCases.settle(List.of(first, second), 2, 4);
        Set<Integer> owned = new TreeSet<>(second.owned);
        int revoked = first.revoked.size();
        second.close();
        GroupCases.Member again = join(h, group, topic, "group.instance.id", "two");
        GroupCases.settle(List.of(first, again), 2, 4);
        Harness.equal("partitions of the member that came back", again.owned, owned);
        Harness.equal("rebalances of the other", first.revoked.size(), revoked);
        GroupCases.Member thief = join(h, group, topic, "group.instance.id", "two");
        Harness.refused(UnreleasedInstanceIdException.class, () -> Harness.until("the refusal", () -> {
            first.poll();
            again.poll();
            thief.poll();
            return false;
        }));
        List.of(first, again).forEach(GroupCases.Member::close);
    }

    private static Set<String> topics(KafkaConsumer<byte[], byte[]> consumer) {
        consumer.poll(Duration.ofMillis(20));
        Set<String> found = new TreeSet<>();
        consumer.assignment().forEach(one -> found.add(one.topic()));
        return found;
    }

    /** The broker resolves the pattern, also for topics that come later. */
    private static void regex(Harness h) throws Exception {
        String prefix = Harness.unique("regex");
        String first = h.topic(prefix + "-a", 1);
        h.topic("other-" + prefix, 1);
        try (KafkaConsumer<byte[], byte[]> consumer =
                h.consumer("group.id", Harness.unique("group"), "group.protocol", "consumer")) {
            consumer.subscribe(new SubscriptionPattern(prefix + "-(a|b).*"));
            Harness.until("the topic", () -> topics(consumer).equals(Set.of(first)));
            String second = h.topic(prefix + "-b", 1);
            Harness.until("the new topic", () -> topics(consumer).equals(Set.of(first, second)));
            consumer.subscribe(new SubscriptionPattern(prefix + "-b.*"));
            Harness.until("another pattern", () -> topics(consumer).equals(Set.of(second)));
        }
    }

    private static void regexOfTheClient(Harness h) throws Exception {
        String prefix = Harness.unique("pattern");
        String first = h.topic(prefix + "-a", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = h.consumer("group.id", Harness.unique("group"),
                "group.protocol", "consumer", "metadata.max.age.ms", "300")) {
            consumer.subscribe(Pattern.compile(prefix + "-.*"));
            Harness.until("the topic", () -> topics(consumer).equals(Set.of(first)));
            String second = h.topic(prefix + "-b", 1);
            Harness.until("the new topic", () -> topics(consumer).equals(Set.of(first, second)));
        }
    }

    private static void wrongRegex(Harness h) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer =
                h.consumer("group.id", Harness.unique("group"), "group.protocol", "consumer")) {
            consumer.subscribe(new SubscriptionPattern("a(b"));
            Harness.refused(InvalidRegularExpression.class, () -> Harness.until("the refusal", () -> {
                consumer.poll(Duration.ofMillis(20));
                return false;
            }));
        }
    }

    private static void commitAndResume(Harness h) throws Exception {
        String topic = h.topic("commit", 1);
        String group = Harness.unique("group");
        h.produce(Harness.numbered(topic, 100, 0));
        TopicPartition where = new TopicPartition(topic, 0);
        try (GroupCases.Member member = join(h, group, topic, "max.poll.records", 40)) {
            GroupCases.settle(List.of(member), 1, 1);
            Harness.equal("before", member.consumer.committed(Set.of(where)).get(where), null);
            OffsetAndMetadata wanted = new OffsetAndMetadata(40, "note");
            member.consumer.commitSync(Map.of(where, wanted));
            Harness.equal("committed", member.consumer.committed(Set.of(where)).get(where), wanted);
        }
        try (GroupCases.Member member = join(h, group, topic)) {
            Harness.equal("first record", readAll(List.of(member), 60).get(0), "0/40");
        }
    }

    private static void resetOffsets(Harness h) throws Exception {
        String topic = h.topic("reset", 1);
        String group = Harness.unique("group");
        h.produce(Harness.numbered(topic, 100, 0));
        TopicPartition where = new TopicPartition(topic, 0);
        Map<TopicPartition, OffsetAndMetadata> wanted = Map.of(where, new OffsetAndMetadata(30));
        try (GroupCases.Member member = join(h, group, topic)) {
            GroupCases.settle(List.of(member), 1, 1);
            Harness.refused(UnknownMemberIdException.class,
                    () -> Harness.get(h.admin.alterConsumerGroupOffsets(group, wanted).all()));
        }
        Harness.get(h.admin.alterConsumerGroupOffsets(group, wanted).all());
        try (GroupCases.Member member = join(h, group, topic)) {
            Harness.equal("first record", readAll(List.of(member), 70).get(0), "0/30");
        }
    }

    private static void growth(Harness h) throws Exception {
        String topic = h.topic("growth", 2);
        String group = Harness.unique("group");
        List<GroupCases.Member> members = List.of(join(h, group, topic), join(h, group, topic));
        GroupCases.settle(members, 1, 2);
        Harness.get(h.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(6))).all());
        GroupCases.settle(members, 3, 6);
        members.forEach(GroupCases.Member::close);
    }

    private static ConsumerGroupDescription described(Harness h, String group) throws Exception {
        return Harness.get(h.admin.describeConsumerGroups(List.of(group)).all()).get(group);
    }

    private static void describeAndDelete(Harness h) throws Exception {
        String topic = h.topic("describe", 2);
        String group = Harness.unique("group");
        try (GroupCases.Member member = join(h, group, topic, "client.id", "the-client")) {
            GroupCases.settle(List.of(member), 2, 2);
            Harness.until("it is stable", () -> {
                member.poll();
                return described(h, group).groupState() == GroupState.STABLE;
            });
            ConsumerGroupDescription found = described(h, group);
            Harness.equal("type", found.type(), GroupType.CONSUMER);
            Harness.equal("assignor", found.partitionAssignor(), "uniform");
            MemberDescription one = found.members().iterator().next();
            Harness.equal("client", one.clientId(), "the-client");
            Harness.equal("partitions", one.assignment().topicPartitions().size(), 2);
            Harness.equal("target", one.targetAssignment().get().topicPartitions().size(), 2);
            Harness.equal("epoch", one.memberEpoch().get(), found.groupEpoch().get());
            Harness.equal("upgraded", one.upgraded().get(), true);
            ListGroupsOptions which = ListGroupsOptions.forConsumerGroups().withTypes(Set.of(GroupType.CONSUMER));
            boolean listed = false;
            for (GroupListing row : Harness.get(h.admin.listGroups(which).all())) {
                listed |= row.groupId().equals(group) && row.groupState().get() == GroupState.STABLE;
            }
            Harness.equal("listed", listed, true);
            Harness.refused(GroupNotEmptyException.class,
                    () -> Harness.get(h.admin.deleteConsumerGroups(List.of(group)).all()));
        }
        Harness.equal("state", described(h, group).groupState(), GroupState.EMPTY);
        Harness.get(h.admin.deleteConsumerGroups(List.of(group)).all());
        Harness.refused(GroupIdNotFoundException.class,
                () -> Harness.get(h.admin.deleteConsumerGroups(List.of(group)).all()));
    }

    /** A classic group becomes a consumer group while it works, and the other way. */
    private static void migration(Harness h) throws Exception {
        String topic = h.topic("migration", 4);
        String group = Harness.unique("group");
        GroupCases.Member classic = new GroupCases.Member(h, group, topic, CLASSIC);
        GroupCases.settle(List.of(classic), 4, 4);
        Harness.equal("before", described(h, group).type(), GroupType.CLASSIC);
        GroupCases.Member modern = join(h, group, topic);
        GroupCases.settle(List.of(classic, modern), 2, 4);
        Harness.equal("with both", described(h, group).type(), GroupType.CONSUMER);
        long upgraded = described(h, group).members().stream().filter(one -> one.upgraded().get()).count();
        Harness.equal("members of the new protocol", upgraded, 1L);
        checkDelivery(h, topic, List.of(classic, modern), 4);
        classic.close();
        GroupCases.settle(List.of(modern), 4, 4);
        GroupCases.Member back = new GroupCases.Member(h, group, topic, CLASSIC);
        GroupCases.settle(List.of(back, modern), 2, 4);
        modern.close();
        GroupCases.settle(List.of(back), 4, 4);
        Harness.equal("after", described(h, group).type(), GroupType.CLASSIC);
        back.close();
    }

    private static void unknownAssignor(Harness h) throws Exception {
        GroupCases.Member member =
                join(h, Harness.unique("group"), h.topic("assignor", 1), "group.remote.assignor", "nobody-has-this");
        Harness.refused(UnsupportedAssignorException.class, () -> Harness.until("the refusal", () -> {
            member.poll();
            return false;
        }));
        try {
            member.close();
        } catch (KafkaException refused) {
            // It says once more what it was refused for.
        }
    }

    private static void manyMembers(Harness h) throws Exception {
        String topic = h.topic("many", 24);
        String group = Harness.unique("group");
        List<GroupCases.Member> members = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            members.add(join(h, group, topic));
        }
        GroupCases.settle(members, 2, 24);
        checkDelivery(h, topic, members, 24);
        for (int i = 0; i < 4; i++) {
            members.remove(0).close();
        }
        GroupCases.settle(members, 3, 24);
        members.forEach(GroupCases.Member::close);
    }
}
