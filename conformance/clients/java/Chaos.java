import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * One client of the test with real faults; it records what it does and sees. The twin of
 * {@code confluent_kafka/chaos.py}: ROLE BOOTSTRAP HISTORY PROCESS SEED KEY=VALUE...
 */
final class Chaos {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final String bootstrap;
    private final FileOutputStream file;
    private final long process;
    private final Random random;
    private final Map<String, String> options = new HashMap<>();
    private volatile boolean goesOn = true;
    private long count;

    /** A value that was sent, with its offset once it is known. */
    private static final class Sent {
        final TopicPartition where;
        final long value;
        Long offset;

        Sent(TopicPartition where, long value) {
            this.where = where;
            this.value = value;
        }

        @Override
        public String toString() {
            return "{\"send\":[\"" + where + "\"," + value + "," + offset + "]}";
        }
    }

    private Chaos(String[] arguments) throws IOException {
        bootstrap = arguments[1];
        file = new FileOutputStream(arguments[2], true);
        process = Long.parseLong(arguments[3]);
        random = new Random(Long.parseLong(arguments[4]));
        for (int i = 5; i < arguments.length; i++) {
            String[] parts = arguments[i].split("=", 2);
            options.put(parts[0], parts[1]);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Chaos chaos = new Chaos(arguments);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            chaos.goesOn = false;
            try {
                main.join(20_000);
            } catch (InterruptedException fault) {
                Thread.currentThread().interrupt();
            }
        }));
        int status = 0;
        try {
            switch (arguments[0]) {
                case "transactions" -> chaos.transactions();
                case "transform" -> chaos.transform();
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        } catch (KafkaException fault) {
            // Fenced, or without a broker for too long: whoever started it starts another.
            System.err.println(arguments[0] + " " + arguments[3] + ": " + fault);
            status = 3;
        }
        if (chaos.goesOn) {
            Runtime.getRuntime().halt(status);
        }
    }

    private void event(String kind, String function, String isolation, List<?> steps, Set<String> keys)
            throws IOException {
        StringBuilder line = new StringBuilder();
        // The clock that all processes of the system share.
        line.append("{\"at\":").append(System.nanoTime()).append(",\"process\":").append(process);
        line.append(",\"type\":\"").append(kind).append("\",\"f\":\"").append(function).append('"');
        line.append(",\"transactional_id\":\"").append(options.get("id")).append('"');
        if (isolation != null) {
            line.append(",\"isolation\":\"").append(isolation).append('"');
        }
        String rows = steps.stream().map(Object::toString).collect(Collectors.joining(","));
        line.append(",\"steps\":[").append(rows).append(']');
        rows = keys.stream().map(key -> '"' + key + '"').collect(Collectors.joining(","));
        line.append(",\"keys\":[").append(rows).append("]}\n");
        file.write(line.toString().getBytes(StandardCharsets.UTF_8));
    }

    private TopicPartition target(String topics) {
        String[] rows = topics.split(",");
        String[] row = rows[random.nextInt(rows.length)].split(":");
        return new TopicPartition(row[0], random.nextInt(Integer.parseInt(row[1])));
    }

    private List<Sent> plan(String topics, int size) {
        List<Sent> plan = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            plan.add(new Sent(target(topics), process * 1_000_000 + ++count));
        }
        return plan;
    }

    private KafkaProducer<byte[], byte[]> producer() throws IOException {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", ByteArraySerializer.class);
        settings.put("value.serializer", ByteArraySerializer.class);
        settings.put("transactional.id", options.get("id"));
        settings.put("transaction.timeout.ms", "8000");
        settings.put("delivery.timeout.ms", "8000");
        settings.put("request.timeout.ms", "5000");
        settings.put("linger.ms", "2");
        settings.put("max.block.ms", "20000");
        settings.put("reconnect.backoff.max.ms", "500");
        KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings);
        event("invoke", "init", null, List.of(), Set.of());
        while (true) {
            try {
                producer.initTransactions();
                break;
            } catch (TimeoutException fault) {
                if (!goesOn) {
                    throw fault;
                }
            }
        }
        event("ok", "init", null, List.of(), Set.of());
        return producer;
    }

    private static boolean isFatal(KafkaException fault) {
        return fault instanceof ProducerFencedException
                || fault instanceof FencedInstanceIdException
                || fault instanceof OutOfOrderSequenceException
                || fault instanceof UnsupportedVersionException
                || fault instanceof AuthorizationException
                || fault instanceof InvalidProducerEpochException;
    }

    private void send(KafkaProducer<byte[], byte[]> producer, List<Sent> plan) {
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        for (Sent one : plan) {
            byte[] value = Long.toString(one.value).getBytes(StandardCharsets.UTF_8);
            futures.add(producer.send(
                    new ProducerRecord<>(one.where.topic(), one.where.partition(), null, value)));
        }
        producer.flush();
        for (int i = 0; i < plan.size(); i++) {
            try {
                plan.get(i).offset = futures.get(i).get().offset();
            } catch (Exception fault) {
                // Whether it may be committed says the end of the transaction.
                plan.get(i).offset = null;
            }
        }
    }

    /** What a transaction consists of, beside what it sends. */
    private record Input(
            List<String> steps,
            Set<String> keys,
            String isolation,
            Map<TopicPartition, OffsetAndMetadata> offsets,
            KafkaConsumer<byte[], byte[]> consumer) {}

    private void record(String kind, Input input, List<Sent> plan) throws IOException {
        List<Object> steps = new ArrayList<>(input.steps());
        steps.addAll(plan);
        event(kind, "txn", input.isolation(), steps, input.keys());
    }

    /** One transaction; whether it was committed. */
    private boolean transact(
            KafkaProducer<byte[], byte[]> producer, Input input, List<Sent> plan, boolean commit)
            throws IOException {
        record("invoke", input, plan);
        try {
            producer.beginTransaction();
            send(producer, plan);
            if (input.consumer() != null) {
                producer.sendOffsetsToTransaction(input.offsets(), input.consumer().groupMetadata());
            }
            if (commit) {
                record("prepare", input, plan);
                commit(producer);
                record("ok", input, plan);
                return true;
            }
        } catch (KafkaException fault) {
            // After a commit that timed out nothing but another commit is allowed.
            if (isFatal(fault) || fault instanceof TimeoutException) {
                record("info", input, plan);
                throw fault;
            }
        }
        try {
            producer.abortTransaction();
        } catch (KafkaException fault) {
            record("info", input, plan);
            throw fault;
        }
        record("fail", input, plan);
        return false;
    }

    private void commit(KafkaProducer<byte[], byte[]> producer) {
        for (int left = 5; ; left--) {
            try {
                producer.commitTransaction();
                return;
            } catch (TimeoutException fault) {
                if (left == 0) {
                    throw fault;
                }
            }
        }
    }

    private void transactions() throws IOException {
        KafkaProducer<byte[], byte[]> producer = producer();
        Input nothing = new Input(List.of(), Set.of(), null, Map.of(), null);
        while (goesOn) {
            List<Sent> plan = plan(options.get("topics"), random.nextInt(9));
            transact(producer, nothing, plan, random.nextInt(4) > 0);
            pause();
        }
    }

    private void pause() {
        try {
            Thread.sleep(5 + random.nextInt(45));
        } catch (InterruptedException fault) {
            Thread.currentThread().interrupt();
        }
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.deserializer", ByteArrayDeserializer.class);
        settings.put("value.deserializer", ByteArrayDeserializer.class);
        settings.put("group.id", options.get("group"));
        settings.put("group.protocol", options.get("protocol"));
        if (options.get("protocol").equals("classic")) {
            settings.put("session.timeout.ms", "6000");
            settings.put("heartbeat.interval.ms", "500");
        }
        settings.put("isolation.level", options.get("isolation"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("fetch.max.wait.ms", "100");
        settings.put("max.poll.records", "40");
        settings.put("default.api.timeout.ms", "20000");
        settings.put("reconnect.backoff.max.ms", "500");
        return new KafkaConsumer<>(settings);
    }

    /** Hears of new assignments. */
    private static final class Listener implements ConsumerRebalanceListener {
        final Set<String> changed = new TreeSet<>();
        boolean isRebalanced;

        private void note(Collection<TopicPartition> partitions) {
            partitions.forEach(one -> changed.add(one.toString()));
            isRebalanced = true;
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            note(partitions);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            note(partitions);
        }
    }

    /** Goes back to what is committed. */
    private void rewind(KafkaConsumer<byte[], byte[]> consumer, Listener listener) {
        while (goesOn) {
            try {
                Map<TopicPartition, OffsetAndMetadata> committed =
                        consumer.committed(consumer.assignment(), PATIENCE);
                for (TopicPartition one : consumer.assignment()) {
                    OffsetAndMetadata offset = committed.get(one);
                    consumer.seek(one, offset == null ? 0 : offset.offset());
                    listener.changed.add(one.toString());
                }
                return;
            } catch (TimeoutException fault) {
                System.err.println("rewind: " + fault);
            }
        }
    }

    private void transform() throws IOException {
        KafkaConsumer<byte[], byte[]> consumer = consumer();
        KafkaProducer<byte[], byte[]> producer = producer();
        Listener listener = new Listener();
        String isolation = options.get("isolation");
        List<String> topics = new ArrayList<>();
        for (String row : options.get("topics").split(",")) {
            topics.add(row.split(":")[0]);
        }
        event("invoke", "subscribe", isolation, List.of(), Set.of());
        consumer.subscribe(topics, listener);
        event("ok", "subscribe", isolation, List.of(), Set.of());
        while (goesOn) {
            listener.isRebalanced = false;
            Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> rows = new HashMap<>();
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(300))) {
                TopicPartition where = new TopicPartition(record.topic(), record.partition());
                rows.computeIfAbsent(where, key -> new ArrayList<>()).add(record);
            }
            if (listener.isRebalanced) {
                rewind(consumer, listener);
                continue;
            }
            if (rows.isEmpty()) {
                continue;
            }
            Input input = input(consumer, rows, new TreeSet<>(listener.changed));
            int size = rows.values().stream().mapToInt(List::size).sum();
            boolean isCommitted =
                    transact(producer, input, plan(options.get("out"), size), random.nextInt(5) > 0);
            listener.changed.clear();
            if (!isCommitted) {
                rewind(consumer, listener);
            }
        }
        consumer.close();
    }

    private Input input(
            KafkaConsumer<byte[], byte[]> consumer,
            Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> rows,
            Set<String> changed) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        Map<String, String> polled = new TreeMap<>();
        List<String> steps = new ArrayList<>();
        rows.forEach((where, records) -> {
            long end = records.get(records.size() - 1).offset() + 1;
            offsets.put(where, new OffsetAndMetadata(end));
            String all = records.stream()
                    .map(one -> "[" + one.offset() + "," + new String(one.value(), StandardCharsets.UTF_8) + "]")
                    .collect(Collectors.joining(","));
            polled.put(where.toString(), "\"" + where + "\":[" + all + "]");
            steps.add("{\"commit\":[\"" + options.get("group") + "\",\"" + where + "\"," + end + "]}");
        });
        steps.add(0, "{\"poll\":{" + String.join(",", polled.values()) + "}}");
        return new Input(steps, new HashSet<>(changed), options.get("isolation"), offsets, consumer);
    }
}
