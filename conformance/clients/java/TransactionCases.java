import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

final class TransactionCases {
    private TransactionCases() {}

    static void register() {
        Harness.add("transaction", "commit", TransactionCases::commit);
        Harness.add("transaction", "abort", TransactionCases::abort);
        Harness.add("transaction", "isolation", TransactionCases::isolation);
        Harness.add("transaction", "many_transactions", TransactionCases::manyTransactions);
        Harness.add("transaction", "fencing", TransactionCases::fencing);
        Harness.add("transaction", "fencing_by_admin", TransactionCases::fencingByAdmin);
        Harness.add("transaction", "send_offsets", h -> sendOffsets(h, "classic"));
        Harness.add("transaction", "send_offsets_of_consumer_group", h -> sendOffsets(h, "consumer"));
        Harness.add("transaction", "fenced_member", TransactionCases::fencedMember);
        Harness.add("transaction", "timeout", TransactionCases::timeout);
        Harness.add("transaction", "timeout_too_long", TransactionCases::timeoutTooLong);
        Harness.add("transaction", "list_and_describe", TransactionCases::listAndDescribe);
        Harness.add("transaction", "abort_by_admin", TransactionCases::abortByAdmin);
        Harness.addFull("transaction", "delete_records_in_between", TransactionCases::deleteRecords);
    }

    private static KafkaProducer<byte[], byte[]> producer(Harness h, String id, Object... more) {
        List<Object> all = new ArrayList<>(List.of("transactional.id", id, "max.block.ms", "30000"));
        all.addAll(List.of(more));
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(h.settings(all.toArray()));
        producer.initTransactions();
        return producer;
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, String name, int count)
            throws Exception {
        for (int i = 0; i < count; i++) {
            producer.send(new ProducerRecord<>(topic, 0, null, (name + i).getBytes()));
        }
        producer.flush();
    }

    private static void transact(KafkaProducer<byte[], byte[]> producer, String topic, String name, int count,
            boolean keep) throws Exception {
        producer.beginTransaction();
        send(producer, topic, name, count);
        if (keep) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    private static List<String> named(int count, String... names) {
        List<String> all = new ArrayList<>();
        for (String name : names) {
            for (int i = 0; i < count; i++) {
                all.add(name + i);
            }
        }
        return all;
    }

    private static List<String> read(Harness h, String topic, int count, String isolation) {
        return h.read(topic, 0, count, "isolation.level", isolation).stream()
                .map(record -> new String(record.value())).toList();
    }

    private static long end(Harness h, String topic, IsolationLevel level) throws Exception {
        TopicPartition where = new TopicPartition(topic, 0);
        return Harness.get(h.admin.listOffsets(Map.of(where, OffsetSpec.latest()), new ListOffsetsOptions(level))
                .partitionResult(where)).offset();
    }

    private static void commit(Harness h) throws Exception {
        String topic = h.topic("commit", 1);
        try (KafkaProducer<byte[], byte[]> producer = producer(h, Harness.unique("txn"))) {
            transact(producer, topic, "a", 10, true);
            Harness.equal("values", read(h, topic, 10, "read_committed"), named(10, "a"));
            Harness.equal("end offset", end(h, topic, IsolationLevel.READ_COMMITTED), 11L);
        }
    }

    private static void abort(Harness h) throws Exception {
        String topic = h.topic("abort", 1);
        try (KafkaProducer<byte[], byte[]> producer = producer(h, Harness.unique("txn"))) {
            transact(producer, topic, "a", 10, false);
            transact(producer, topic, "b", 10, true);
            transact(producer, topic, "c", 10, false);
            transact(producer, topic, "d", 10, true);
            Harness.equal("committed", read(h, topic, 20, "read_committed"), named(10, "b", "d"));
            Harness.equal("all", read(h, topic, 40, "read_uncommitted"), named(10, "a", "b", "c", "d"));
        }
    }

    private static void isolation(Harness h) throws Exception {
        String topic = h.topic("isolation", 1);
        try (KafkaProducer<byte[], byte[]> first = producer(h, Harness.unique("txn"));
                KafkaProducer<byte[], byte[]> second = producer(h, Harness.unique("txn"));
                KafkaConsumer<byte[], byte[]> consumer = h.consumer("isolation.level", "read_committed")) {
            transact(second, topic, "before", 5, true);
            first.beginTransaction();
            send(first, topic, "a", 5);
            transact(second, topic, "b", 5, true);
            Harness.equal("last stable offset", end(h, topic, IsolationLevel.READ_COMMITTED), 6L);
            Harness.equal("end offset", end(h, topic, IsolationLevel.READ_UNCOMMITTED), 17L);
            TopicPartition where = new TopicPartition(topic, 0);
            consumer.assign(List.of(where));
            consumer.seekToBeginning(List.of(where));
            Harness.equal("before", Harness.drain(consumer, 5).size(), 5);
            Harness.until("the consumer knows the end", () -> consumer.currentLag(where).isPresent());
            Harness.equal("nothing more", consumer.poll(Duration.ofMillis(300)).count(), 0);
            first.commitTransaction();
            List<String> rest = Harness.drain(consumer, 10).stream().map(one -> new String(one.value())).toList();
            Harness.equal("rest", rest, named(5, "a", "b"));
        }
    }

    private static void manyTransactions(Harness h) throws Exception {
        String topic = h.topic("many", 1);
        List<String> expected = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(h, Harness.unique("txn"))) {
            for (int i = 0; i < 100; i++) {
                boolean keep = i % 3 != 1;
                transact(producer, topic, "t" + i + "-", 3, keep);
                expected.addAll(keep ? named(3, "t" + i + "-") : List.of());
            }
        }
        Harness.equal("values", read(h, topic, expected.size(), "read_committed"), expected);
    }

    private static void fencing(Harness h) throws Exception {
        String topic = h.topic("fencing", 1);
        String id = Harness.unique("txn");
        KafkaProducer<byte[], byte[]> first = producer(h, id);
        first.beginTransaction();
        send(first, topic, "lost", 5);
        try (KafkaProducer<byte[], byte[]> second = producer(h, id)) {
            transact(second, topic, "kept", 5, true);
            Harness.refused(KafkaException.class, first::commitTransaction);
        }
        first.close(Duration.ZERO);
        Harness.equal("values", read(h, topic, 5, "read_committed"), named(5, "kept"));
    }

    private static void fencingByAdmin(Harness h) throws Exception {
        String topic = h.topic("fenced", 1);
        String id = Harness.unique("txn");
        KafkaProducer<byte[], byte[]> first = producer(h, id);
        first.beginTransaction();
        send(first, topic, "lost", 5);
        Harness.get(h.admin.fenceProducers(List.of(id)).all());
        Harness.refused(KafkaException.class, first::commitTransaction);
        first.close(Duration.ZERO);
        Harness.until("the records are aborted", () -> end(h, topic, IsolationLevel.READ_COMMITTED) == 6);
    }

    private static void sendOffsets(Harness h, String protocol) throws Exception {
        String source = h.topic("source", 1);
        String target = h.topic("target", 1);
        String group = Harness.unique("group");
        h.produce(Harness.numbered(source, 30, 0));
        TopicPartition where = new TopicPartition(source, 0);
        try (KafkaProducer<byte[], byte[]> producer = producer(h, Harness.unique("txn"))) {
            for (int[] round : new int[][] {{10, 1, 10}, {20, 0, 10}, {20, 1, 30}}) {
                try (KafkaConsumer<byte[], byte[]> consumer = h.consumer("group.id", group, "group.protocol", protocol,
                        "max.poll.records", 10)) {
                    consumer.subscribe(List.of(source));
                    List<ConsumerRecord<byte[], byte[]>> records = Harness.drain(consumer, round[0]);
                    producer.beginTransaction();
                    for (ConsumerRecord<byte[], byte[]> record : records) {
                        producer.send(new ProducerRecord<>(target, 0, record.key(), record.value()));
                    }
                    long next = records.get(records.size() - 1).offset() + 1;
                    producer.sendOffsetsToTransaction(
                            Map.of(where, new OffsetAndMetadata(next)), consumer.groupMetadata());
                    if (round[1] == 1) {
                        producer.commitTransaction();
                    } else {
                        producer.abortTransaction();
                    }
                }
                // The commit is answered before its markers are written, and this request does not wait for them.
                Harness.until("the offset", () -> GroupCases.committed(h, group, where) == round[2]);
            }
        }
        List<ConsumerRecord<byte[], byte[]>> all = h.read(target, 0, 30, "isolation.level", "read_committed");
        List<String> keys = all.stream().map(one -> new String(one.key())).toList();
        Harness.equal("keys", keys, named(30, "k"));
    }

    private static void fencedMember(Harness h) throws Exception {
        String topic = h.topic("zombie", 1);
        String group = Harness.unique("group");
        h.produce(Harness.numbered(topic, 10, 0));
        ConsumerGroupMetadata metadata;
        try (KafkaConsumer<byte[], byte[]> consumer = h.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            Harness.drain(consumer, 10);
            metadata = consumer.groupMetadata();
        }
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaProducer<byte[], byte[]> producer = producer(h, Harness.unique("txn"))) {
            producer.beginTransaction();
            Harness.refused(KafkaException.class, () -> {
                producer.sendOffsetsToTransaction(Map.of(where, new OffsetAndMetadata(5)), metadata);
                producer.commitTransaction();
            });
            producer.abortTransaction();
        }
        Harness.equal("committed", GroupCases.committed(h, group, where), -1L);
    }

    private static void timeout(Harness h) throws Exception {
        String topic = h.topic("timeout", 1);
        KafkaProducer<byte[], byte[]> slow =
                producer(h, Harness.unique("txn"), "transaction.timeout.ms", 1500, "delivery.timeout.ms", 1500,
                        "request.timeout.ms", 1000);
        slow.beginTransaction();
        send(slow, topic, "lost", 5);
        h.produce(Harness.numbered(topic, 5, 0));
        Harness.equal("first", h.read(topic, 0, 5, "isolation.level", "read_committed").get(0).offset(), 5L);
        Harness.refused(KafkaException.class, slow::commitTransaction);
        slow.close(Duration.ZERO);
    }

    private static void timeoutTooLong(Harness h) throws Exception {
        // The client wraps it.
        Harness.refused(KafkaException.class,
                () -> producer(h, Harness.unique("txn"), "transaction.timeout.ms", Integer.MAX_VALUE));
    }

    private static Collection<TransactionListing> listed(Harness h, String id) throws Exception {
        return Harness.get(h.admin.listTransactions().all()).stream()
                .filter(one -> one.transactionalId().equals(id)).toList();
    }

    private static TransactionDescription described(Harness h, String id) throws Exception {
        return Harness.get(h.admin.describeTransactions(List.of(id)).description(id));
    }

    private static void listAndDescribe(Harness h) throws Exception {
        String topic = h.topic("describe", 1);
        String id = Harness.unique("txn");
        TopicPartition where = new TopicPartition(topic, 0);
        Harness.refused(TransactionalIdNotFoundException.class, () -> described(h, id));
        try (KafkaProducer<byte[], byte[]> producer = producer(h, id, "transaction.timeout.ms", 43210)) {
            Harness.equal("state at first", described(h, id).state(), TransactionState.EMPTY);
            producer.beginTransaction();
            send(producer, topic, "a", 3);
            TransactionDescription open = described(h, id);
            Harness.equal("state", open.state(), TransactionState.ONGOING);
            Harness.equal("partitions", open.topicPartitions(), Set.of(where));
            Harness.equal("timeout", open.transactionTimeoutMs(), 43210L);
            Harness.equal("start", open.transactionStartTimeMs().isPresent(), true);
            Harness.equal("listed", listed(h, id).iterator().next().state(), TransactionState.ONGOING);
            ProducerState state = Harness.get(h.admin.describeProducers(List.of(where)).partitionResult(where))
                    .activeProducers().get(0);
            Harness.equal("producer", state.producerId(), open.producerId());
            Harness.equal("start offset", state.currentTransactionStartOffset().getAsLong(), 0L);
            producer.commitTransaction();
            Harness.until("it is complete", () -> described(h, id).state() == TransactionState.COMPLETE_COMMIT);
            transact(producer, topic, "b", 3, false);
            Harness.until("it is complete", () -> described(h, id).state() == TransactionState.COMPLETE_ABORT);
            Harness.equal("partitions at the end", described(h, id).topicPartitions(), Set.of());
        }
    }

    /** What an operator does with a transaction that hangs in one partition. */
    private static void abortByAdmin(Harness h) throws Exception {
        String topic = h.topic("hanging", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        KafkaProducer<byte[], byte[]> producer = producer(h, Harness.unique("txn"));
        producer.beginTransaction();
        send(producer, topic, "lost", 5);
        ProducerState state = Harness.get(h.admin.describeProducers(List.of(where)).partitionResult(where))
                .activeProducers().get(0);
        Harness.get(h.admin.abortTransaction(new AbortTransactionSpec(where,
                state.producerId(), (short) state.producerEpoch(), state.coordinatorEpoch().orElse(0))).all());
        Harness.equal("last stable offset", end(h, topic, IsolationLevel.READ_COMMITTED), 6L);
        producer.close(Duration.ZERO);
    }

    private static void deleteRecords(Harness h) throws Exception {
        String topic = h.topic("deleted", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaProducer<byte[], byte[]> producer = producer(h, Harness.unique("txn"))) {
            for (int i = 0; i < 5; i++) {
                transact(producer, topic, "t" + i + "-", 3, true);
                long end = end(h, topic, IsolationLevel.READ_COMMITTED);
                Harness.get(h.admin.deleteRecords(Map.of(where,
                        RecordsToDelete.beforeOffset(end))).all());
            }
            transact(producer, topic, "last", 3, true);
        }
        Harness.equal("values", h.read(topic, 20, 3, "isolation.level", "read_committed").stream()
                .map(one -> new String(one.value())).toList(), named(3, "last"));
    }
}
