import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;

/**
 * Makes a broker hold a bit of everything, and tells what it holds.
 *
 * <pre>
 * Takeover BOOTSTRAP make             topics, records, transactions, offsets, quotas, configurations
 * Takeover BOOTSTRAP state            one line for each thing that clients can see
 * Takeover BOOTSTRAP more PREFIX      a topic PREFIX-new, more records in every topic, newer offsets
 * Takeover BOOTSTRAP few              a topic with six partitions and some records
 * </pre>
 */
public final class Takeover {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final String[] PLAIN = {"many", "timed", "start", "again", "codecs"};
    private final Harness harness;

    private Takeover(String bootstrap) {
        harness = new Harness(bootstrap);
    }

    public static void main(String[] arguments) throws Exception {
        Takeover takeover = new Takeover(arguments[0]);
        switch (arguments[1]) {
            case "make" -> takeover.make();
            case "state" -> takeover.state();
            case "few" -> takeover.few();
            case "more" -> takeover.more(arguments[2]);
            default -> throw new IllegalArgumentException(arguments[1]);
        }
        System.out.flush();
        // Members of groups and transactions that were left open are to stay so.
        Runtime.getRuntime().halt(0);
    }

    // Making.

    private void make() throws Exception {
        topics();
        for (int i = 0; i < CODECS.length; i++) {
            send("codecs", i % 2, 200, "compression.type", CODECS[i]);
        }
        for (int partition = 0; partition < 5; partition++) {
            send("many", partition, 300 + partition);
        }
        send("timed", 0, 20);
        send("start", 0, 50);
        Map<TopicPartition, RecordsToDelete> before = Map.of(new TopicPartition("start", 0), RecordsToDelete.beforeOffset(17));
        Harness.get(harness.admin.deleteRecords(before).all());
        send("gone", 0, 10);
        send("again", 0, 10);
        Harness.get(harness.admin.deleteTopics(List.of("gone", "again")).all());
        Harness.until("the topic is gone", () -> harness.partitions("again") == 0);
        create("again", 2, Map.of());
        send("again", 1, 15);
        compacted();
        transactions();
        groups();
        settings();
    }

    private void create(String name, int partitions, Map<String, String> configs) throws Exception {
        NewTopic topic = new NewTopic(name, partitions, (short) 1).configs(configs);
        Harness.get(harness.admin.createTopics(List.of(topic)).all());
        Harness.until("the topic is there", () -> harness.partitions(name) == partitions);
    }

    private void topics() throws Exception {
        create("codecs", 2, Map.of());
        create("many", 5, Map.of("retention.ms", "864000000", "max.message.bytes", "2000000"));
        create("timed", 1, Map.of("message.timestamp.type", "LogAppendTime"));
        create("start", 1, Map.of("cleanup.policy", "compact,delete", "min.compaction.lag.ms", "86400000"));
        create("gone", 3, Map.of());
        create("again", 1, Map.of());
        create("raw", 1, Map.of());
        create("empty", 2, Map.of());
        create("txn", 2, Map.of());
        create("open", 1, Map.of());
        Map<String, String> compact = new HashMap<>();
        compact.put("cleanup.policy", "compact");
        compact.put("min.cleanable.dirty.ratio", "0.01");
        compact.put("segment.bytes", "1048576");
        create("compact", 1, compact);
    }

    private void send(String topic, int partition, int count, Object... settings) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(settings)) {
            sendWith(producer, topic, partition, count);
            producer.flush();
        }
    }

    private KafkaProducer<byte[], byte[]> producer(Object... settings) {
        return new KafkaProducer<>(harness.settings(settings));
    }

    private static void sendWith(KafkaProducer<byte[], byte[]> producer, String topic, int partition, int count) throws Exception {
        List<java.util.concurrent.Future<?>> pending = new ArrayList<>();
        long now = System.currentTimeMillis();
        for (int i = 0; i < count; i++) {
            byte[] key = i % 7 == 0 ? null : ("key " + i).getBytes();
            if (key == null && (topic.equals("start") || topic.equals("compact"))) {
                key = "seventh".getBytes();
            }
            byte[] value = i % 11 == 10 ? null : ("value " + i + " of " + topic).repeat(1 + i % 5).getBytes();
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, partition, now - count + i, key, value);
            if (i % 3 == 0) {
                record.headers().add("number", Integer.toString(i).getBytes()).add("none", null);
            }
            pending.add(producer.send(record));
        }
        for (java.util.concurrent.Future<?> one : pending) {
            Harness.unwrap(() -> one.get(30, java.util.concurrent.TimeUnit.SECONDS));
        }
    }

    /** Some segments, of which Kafka compacts all but the last. */
    private void compacted() throws Exception {
        int rounds = 12;
        int keys = 300;
        try (KafkaProducer<byte[], byte[]> producer = producer("linger.ms", "5")) {
            for (int round = 0; round < rounds; round++) {
                for (int key = 0; key < keys; key++) {
                    byte[] value = Arrays.copyOf(("round " + round + " key " + key).getBytes(), 1000);
                    producer.send(new ProducerRecord<>("compact", 0, ("k" + key).getBytes(), key % 50 == 49 ? null : value));
                }
            }
            producer.flush();
        }
        TopicPartition partition = new TopicPartition("compact", 0);
        Harness.until("it is compacted", () ->
            records(List.of(partition), "read_uncommitted").get(partition).size() < rounds * keys / 2);
    }

    private void transactions() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer("transactional.id", "ends")) {
            producer.initTransactions();
            for (int round = 0; round < 6; round++) {
                producer.beginTransaction();
                sendWith(producer, "txn", 0, 20 + round);
                sendWith(producer, "txn", 1, 3);
                if (round == 2) {
                    Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(new TopicPartition("many", 0), new OffsetAndMetadata(77));
                    try (KafkaConsumer<byte[], byte[]> consumer = harness.consumer("group.id", "txn-group")) {
                        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    }
                }
                if (round % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        send("open", 0, 5);
        KafkaProducer<byte[], byte[]> left = producer("transactional.id", "stays", "transaction.timeout.ms", "900000");
        left.initTransactions();
        left.beginTransaction();
        sendWith(left, "open", 0, 4);
        send("open", 0, 6);
    }

    private void groups() throws Exception {
        for (String protocol : new String[] {"classic", "consumer"}) {
            for (boolean leaves : new boolean[] {true, false}) {
                String group = protocol + (leaves ? "-left" : "-stays");
                KafkaConsumer<byte[], byte[]> consumer = harness.consumer("group.id", group, "group.protocol", protocol);
                consumer.subscribe(List.of("many", "codecs"));
                Harness.drain(consumer, 400);
                consumer.commitSync(Duration.ofSeconds(30));
                if (leaves) {
                    consumer.close();
                }
            }
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        offsets.put(new TopicPartition("many", 3), new OffsetAndMetadata(33, Optional.of(0), "said by hand"));
        offsets.put(new TopicPartition("again", 1), new OffsetAndMetadata(9));
        Harness.get(harness.admin.alterConsumerGroupOffsets("by-hand", offsets).all());
        share();
    }

    private void share() throws Exception {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, "shared");
        set(group, "share.auto.offset.reset", "earliest");
        Map<String, Object> settings = harness.settings("group.id", "shared");
        settings.remove("auto.offset.reset");
        settings.remove("enable.auto.commit");
        try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(settings)) {
            consumer.subscribe(List.of("many"));
            int[] count = {0};
            Harness.until("something is shared", () -> {
                count[0] += consumer.poll(Duration.ofMillis(200)).count();
                return count[0] > 0;
            });
            consumer.commitSync();
        }
    }

    private void set(ConfigResource resource, String key, String value) throws Exception {
        AlterConfigOp op = new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
        Harness.get(harness.admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all());
    }

    private void settings() throws Exception {
        List<ClientQuotaAlteration> quotas = new ArrayList<>();
        quotas.add(quota("producer_byte_rate", 12345678.0, "user", "alice"));
        quotas.add(quota("consumer_byte_rate", 2e7, "user", "alice", "client-id", "app"));
        quotas.add(quota("request_percentage", 300.0, "client-id", null));
        quotas.add(quota("controller_mutation_rate", 50.0, "user", null));
        quotas.add(quota("connection_creation_rate", 900.0, "ip", "10.1.2.3"));
        Harness.get(harness.admin.alterClientQuotas(quotas).all());
        set(new ConfigResource(ConfigResource.Type.BROKER, ""), "message.max.bytes", "1500000");
        set(new ConfigResource(ConfigResource.Type.BROKER, "1"), "log.cleaner.threads", "2");
        set(new ConfigResource(ConfigResource.Type.TOPIC, "empty"), "retention.ms", "777777777");
        set(new ConfigResource(ConfigResource.Type.GROUP, "consumer-left"), "consumer.session.timeout.ms", "50000");
        set(new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "metrics"), "interval.ms", "60000");
        ScramCredentialInfo scram = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
        UserScramCredentialUpsertion credential = new UserScramCredentialUpsertion("alice", scram, "secret");
        Harness.get(harness.admin.alterUserScramCredentials(List.of(credential)).all());
    }

    private static ClientQuotaAlteration quota(String key, double value, String... entity) {
        Map<String, String> entries = new HashMap<>();
        for (int i = 0; i < entity.length; i += 2) {
            entries.put(entity[i], entity[i + 1]);
        }
        ClientQuotaAlteration.Op op = new ClientQuotaAlteration.Op(key, value);
        return new ClientQuotaAlteration(new ClientQuotaEntity(entries), List.of(op));
    }

    private void few() throws Exception {
        create("few", 6, Map.of());
        for (int partition = 0; partition < 6; partition++) {
            send("few", partition, 20 + partition, "compression.type", CODECS[partition % CODECS.length]);
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(new TopicPartition("few", 2), new OffsetAndMetadata(11));
        Harness.get(harness.admin.alterConsumerGroupOffsets("by-hand", offsets).all());
    }

    private void more(String prefix) throws Exception {
        create(prefix + "-new", 2, Map.of("retention.ms", "123456789"));
        send(prefix + "-new", 0, 30);
        send(prefix + "-new", 1, 30, "compression.type", "lz4");
        for (String topic : PLAIN) {
            int partitions = harness.partitions(topic);
            for (int partition = 0; partition < partitions; partition++) {
                send(topic, partition, 40, "compression.type", CODECS[partition % CODECS.length]);
            }
        }
        for (String topic : new String[] {"txn", "open", "compact"}) {
            send(topic, 0, 25);
        }
        // The second one was a group of the newer protocol when Kafka began.
        for (String group : new String[] {"classic-left", "consumer-left"}) {
            try (KafkaConsumer<byte[], byte[]> consumer = harness.consumer("group.id", group, "group.protocol", "classic")) {
                consumer.subscribe(List.of("many", "codecs"));
                Harness.drain(consumer, 200);
                consumer.commitSync(Duration.ofSeconds(30));
            }
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        offsets.put(new TopicPartition("many", 3), new OffsetAndMetadata(44, Optional.of(0), prefix));
        Harness.get(harness.admin.alterConsumerGroupOffsets("by-hand", offsets).all());
    }

    // Telling.

    private void state() throws Exception {
        TreeSet<String> names = new TreeSet<>(Harness.get(harness.admin.listTopics().names()));
        tell("cluster", Harness.get(harness.admin.describeCluster().clusterId()));
        Map<String, TopicDescription> topics = Harness.get(harness.admin.describeTopics(names).allTopicNames());
        List<TopicPartition> partitions = new ArrayList<>();
        for (String name : names) {
            TopicDescription topic = topics.get(name);
            tell("topic", name, topic.topicId(), topic.partitions().size(), topic.isInternal());
            configs(new ConfigResource(ConfigResource.Type.TOPIC, name));
            topic.partitions().forEach(partition -> partitions.add(new TopicPartition(name, partition.partition())));
        }
        partitions.removeIf(partition -> topics.get(partition.topic()).isInternal());
        configs(new ConfigResource(ConfigResource.Type.BROKER, "1"));
        configs(new ConfigResource(ConfigResource.Type.BROKER, ""));
        quotas();
        groupOffsets();
        for (String isolation : new String[] {"read_uncommitted", "read_committed"}) {
            List<TopicPartition> fixed = partitions.stream().filter(partition -> !partition.topic().equals("compact")).toList();
            Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> found = records(fixed, isolation);
            for (TopicPartition partition : fixed) {
                tellRecords(partition, isolation, found.get(partition));
            }
        }
        if (names.contains("compact")) {
            // How far it is compacted changes by itself; the last value of each key does not.
            TreeMap<String, ConsumerRecord<byte[], byte[]>> last = new TreeMap<>();
            TopicPartition partition = new TopicPartition("compact", 0);
            records(List.of(partition), "read_uncommitted").get(partition).forEach(record -> last.put(new String(record.key()), record));
            last.values().removeIf(record -> record.value() == null);
            tellRecords(partition, "compacted", last.values());
        }
        offsets(partitions);
        producers(partitions);
        directories(partitions);
    }

    private static void tell(Object... words) {
        StringBuilder line = new StringBuilder();
        for (Object word : words) {
            line.append(line.isEmpty() ? "" : " ").append(word);
        }
        System.out.println(line);
    }

    private void configs(ConfigResource resource) throws Exception {
        TreeMap<String, String> found = new TreeMap<>();
        for (ConfigEntry entry : Harness.get(harness.admin.describeConfigs(List.of(resource)).all()).get(resource).entries()) {
            String source = entry.source().toString();
            if (source.startsWith("DYNAMIC")) {
                found.put(entry.name(), entry.value() + " " + source);
            }
        }
        found.forEach((key, value) -> tell("config", resource.type(), "'" + resource.name() + "'", key, value));
    }

    private void quotas() throws Exception {
        TreeSet<String> lines = new TreeSet<>();
        Harness.get(harness.admin.describeClientQuotas(ClientQuotaFilter.all()).entities())
            .forEach((entity, values) -> lines.add(new TreeMap<>(entity.entries()) + " " + new TreeMap<>(values)));
        lines.forEach(line -> tell("quota", line));
    }

    private void groupOffsets() throws Exception {
        for (String group : new String[] {"by-hand", "classic-left", "classic-stays", "consumer-left", "consumer-stays", "txn-group"}) {
            Map<TopicPartition, OffsetAndMetadata> offsets =
                Harness.get(harness.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
            TreeMap<String, OffsetAndMetadata> sorted = new TreeMap<>();
            offsets.forEach((partition, offset) -> sorted.put(partition.toString(), offset));
            sorted.forEach((partition, offset) -> tell("offset", group, partition, offset));
        }
    }

    /** All records of these partitions, up to the ends that the isolation level shows. */
    private Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> records(List<TopicPartition> partitions, String isolation) {
        Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> records = new HashMap<>();
        partitions.forEach(partition -> records.put(partition, new ArrayList<>()));
        try (KafkaConsumer<byte[], byte[]> consumer = harness.consumer("isolation.level", isolation)) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            long deadline = System.nanoTime() + Harness.PATIENCE.toNanos();
            for (TopicPartition partition : partitions) {
                while (consumer.position(partition) < ends.get(partition)) {
                    if (System.nanoTime() > deadline) {
                        throw new AssertionError(partition + " ends at " + ends.get(partition) + ", read up to " + consumer.position(partition));
                    }
                    consumer.poll(Duration.ofMillis(100)).forEach(record ->
                        records.get(new TopicPartition(record.topic(), record.partition())).add(record));
                }
            }
        }
        return records;
    }

    private static void tellRecords(TopicPartition partition, String what, Collection<ConsumerRecord<byte[], byte[]>> records) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        for (ConsumerRecord<byte[], byte[]> record : records) {
            StringBuilder text = new StringBuilder();
            text.append(record.offset()).append(' ').append(record.timestamp()).append(' ').append(record.timestampType());
            text.append(' ').append(record.leaderEpoch()).append(' ').append(hex(record.key())).append(' ').append(hex(record.value()));
            for (Header header : record.headers()) {
                text.append(' ').append(header.key()).append('=').append(hex(header.value()));
            }
            digest.update(text.append('\n').toString().getBytes());
        }
        tell("records", partition, what, records.size(), HexFormat.of().formatHex(digest.digest()).substring(0, 16));
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "null" : HexFormat.of().formatHex(bytes);
    }

    private void offsets(List<TopicPartition> partitions) throws Exception {
        Map<String, OffsetSpec> specs = new LinkedHashMap<>();
        specs.put("earliest", OffsetSpec.earliest());
        specs.put("latest", OffsetSpec.latest());
        specs.put("max", OffsetSpec.maxTimestamp());
        for (TopicPartition partition : partitions) {
            StringBuilder line = new StringBuilder();
            for (IsolationLevel isolation : IsolationLevel.values()) {
                for (Map.Entry<String, OffsetSpec> spec : specs.entrySet()) {
                    if (partition.topic().equals("compact") && !spec.getKey().equals("latest")) {
                        continue;
                    }
                    var found = Harness.get(harness.admin.listOffsets(Map.of(partition, spec.getValue()),
                        new ListOffsetsOptions(isolation)).partitionResult(partition));
                    line.append(' ').append(spec.getKey()).append('=').append(found.offset());
                    line.append('@').append(found.timestamp());
                }
            }
            System.out.println("ends " + partition + line);
        }
    }

    private void producers(List<TopicPartition> partitions) throws Exception {
        var found = Harness.get(harness.admin.describeProducers(partitions).all());
        for (TopicPartition partition : partitions) {
            TreeMap<Long, ProducerState> sorted = new TreeMap<>();
            found.get(partition).activeProducers().forEach(state -> sorted.put(state.producerId(), state));
            sorted.values().forEach(state -> tell("producer", partition, state));
        }
    }

    private void directories(List<TopicPartition> partitions) throws Exception {
        TreeMap<String, String> lines = new TreeMap<>();
        Harness.get(harness.admin.describeLogDirs(List.of(1)).allDescriptions()).get(1).forEach((path, directory) ->
            directory.replicaInfos().forEach((partition, replica) -> {
                // Before its first record a partition has no folder everywhere.
                if (partitions.contains(partition) && replica.size() > 0) {
                    boolean fixed = !partition.topic().equals("compact");
                    lines.put(partition.toString(), path + (fixed ? " " + replica.size() : ""));
                }
            }));
        lines.forEach((partition, line) -> tell("replica", partition, line));
    }
}
