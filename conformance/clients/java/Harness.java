import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.time.Duration;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** What the cases share: clients of one broker, and the runner of cases. */
final class Harness {
    /** How long one wait may take, far above what any broker needs. */
    static final Duration PATIENCE = Duration.ofSeconds(30);

    final String bootstrap;
    final Admin admin;

    Harness(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(settings());
    }

    interface Body {
        void run(Harness harness) throws Exception;
    }

    record Case(String name, String area, boolean full, Body body) {}

    static final List<Case> CASES = new ArrayList<>();

    static void add(String area, String name, Body body) {
        CASES.add(new Case(name, area, false, body));
    }

    static void addFull(String area, String name, Body body) {
        CASES.add(new Case(name, area, true, body));
    }

    static int run(String[] arguments) {
        List<String> wanted = Arrays.asList(arguments).subList(1, arguments.length);
        boolean everything = System.getenv("MILENA_CONFORMANCE_FULL") != null;
        Harness harness = new Harness(arguments[0]);
        int failed = 0;
        int ran = 0;
        for (Case one : CASES) {
            boolean byArea = wanted.contains(one.area()) && (everything || !one.full());
            if (!byArea && !wanted.contains(one.name())) {
                continue;
            }
            ran++;
            long start = System.nanoTime();
            String result = "PASS";
            String message = "";
            try {
                one.body().run(harness);
            } catch (Throwable fault) {
                failed++;
                StringWriter trace = new StringWriter();
                fault.printStackTrace(new PrintWriter(trace));
                System.err.println(trace);
                result = "FAIL";
                message = " " + fault.toString().replaceAll("\\s+", " ");
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            System.out.printf("%s %s %.1f%s%n", result, one.name(), seconds, message);
        }
        harness.admin.close(Duration.ZERO);
        return failed > 0 || ran == 0 ? 1 : 0;
    }

    Map<String, Object> settings(Object... more) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", ByteArraySerializer.class);
        settings.put("value.serializer", ByteArraySerializer.class);
        settings.put("key.deserializer", ByteArrayDeserializer.class);
        settings.put("value.deserializer", ByteArrayDeserializer.class);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("fetch.max.wait.ms", "100");
        settings.put("max.request.size", "3000000");
        for (int i = 0; i < more.length; i += 2) {
            settings.put((String) more[i], more[i + 1]);
        }
        return settings;
    }

    String topic(String prefix, int partitions, String... configs) throws Exception {
        String name = unique(prefix);
        Map<String, String> entries = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) {
            entries.put(configs[i], configs[i + 1]);
        }
        get(admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(entries))).all());
        until("the topic is there", () -> partitions(name) == partitions);
        return name;
    }

    int partitions(String topic) throws Exception {
        try {
            TopicDescription found = get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
            return found.partitions().size();
        } catch (UnknownTopicOrPartitionException absent) {
            return 0;
        }
    }

    /** Sends all records at once and returns the offsets, all acknowledged. */
    List<Long> produce(List<ProducerRecord<byte[], byte[]>> records, Object... settings) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings(settings))) {
            List<java.util.concurrent.Future<RecordMetadata>> pending = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : records) {
                pending.add(producer.send(record));
            }
            List<Long> offsets = new ArrayList<>();
            for (java.util.concurrent.Future<RecordMetadata> one : pending) {
                offsets.add(unwrap(() -> one.get(PATIENCE.toSeconds(), TimeUnit.SECONDS)).offset());
            }
            return offsets;
        }
    }

    KafkaConsumer<byte[], byte[]> consumer(Object... settings) {
        return new KafkaConsumer<>(settings(settings));
    }

    /** Reads so many records of partition 0, from this offset. */
    List<ConsumerRecord<byte[], byte[]>> read(String topic, long offset, int count, Object... settings) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
            TopicPartition where = new TopicPartition(topic, 0);
            consumer.assign(List.of(where));
            consumer.seek(where, offset);
            return drain(consumer, count);
        }
    }

    static List<ConsumerRecord<byte[], byte[]>> drain(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (records.size() < count) {
            if (System.nanoTime() > end) {
                throw new AssertionError(records.size() + " of " + count + " records");
            }
            consumer.poll(Duration.ofMillis(100)).forEach(records::add);
        }
        return records;
    }

    static List<ProducerRecord<byte[], byte[]>> numbered(String topic, int count, int size) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            byte[] value = Arrays.copyOf(("v" + i + " ").getBytes(), Math.max(size, ("v" + i).length()));
            records.add(new ProducerRecord<>(topic, 0, ("k" + i).getBytes(), value));
        }
        return records;
    }

    static void checkNumbered(List<ConsumerRecord<byte[], byte[]>> records, long first) {
        for (ConsumerRecord<byte[], byte[]> record : records) {
            equal("offset", record.offset(), first);
            equal("key", new String(record.key()), "k" + first);
            first++;
        }
    }

    static String unique(String prefix) {
        return prefix + "-" + UUID.randomUUID().toString().substring(0, 13);
    }

    /** A time that retention does not touch. */
    static long recently() {
        return System.currentTimeMillis() - 3_600_000;
    }

    static <T> T get(KafkaFuture<T> future) throws Exception {
        return unwrap(() -> future.get(PATIENCE.toSeconds(), TimeUnit.SECONDS));
    }

    static <T> T unwrap(Callable<T> call) throws Exception {
        try {
            return call.call();
        } catch (ExecutionException wrapped) {
            if (wrapped.getCause() instanceof Exception cause) {
                throw cause;
            }
            throw wrapped;
        }
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    static void until(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.holds()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("gave up: " + what);
            }
            Thread.sleep(10);
        }
    }

    interface Call {
        void run() throws Exception;
    }

    static void refused(Class<? extends Exception> expected, Call call) throws Exception {
        try {
            call.run();
        } catch (Exception fault) {
            if (expected.isInstance(fault)) {
                return;
            }
            throw new AssertionError("expected " + expected.getSimpleName() + ", got " + fault, fault);
        }
        throw new AssertionError("expected " + expected.getSimpleName() + ", got no error");
    }

    static void equal(String what, Object got, Object expected) {
        if (!Objects.equals(got, expected)) {
            throw new AssertionError(what + ": got " + got + ", expected " + expected);
        }
    }
}
