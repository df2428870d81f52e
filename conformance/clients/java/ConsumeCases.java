import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

final class ConsumeCases {
    private ConsumeCases() {}

    static void register() {
        Harness.add("consume", "from_start", ConsumeCases::fromStart);
        Harness.add("consume", "from_end", ConsumeCases::fromEnd);
        Harness.add("consume", "from_offset", ConsumeCases::fromOffset);
        Harness.add("consume", "from_timestamp", ConsumeCases::fromTimestamp);
        Harness.add("consume", "empty_fetch", ConsumeCases::emptyFetch);
        Harness.add("consume", "ten_segments", h -> segments(h, 1, 1048576));
        Harness.addFull("consume", "ten_segments_many_sizes",
                h -> segments(h, 7, 16384, 65536, 262144, 1048575, 1048577, 4000000));
        Harness.add("consume", "list_offsets", ConsumeCases::listOffsets);
        Harness.add("consume", "out_of_range", ConsumeCases::outOfRange);
        Harness.add("consume", "read_committed", ConsumeCases::readCommitted);
    }

    private static void fromStart(Harness h) throws Exception {
        String topic = h.topic("start", 1);
        h.produce(Harness.numbered(topic, 2000, 0));
        Harness.checkNumbered(h.read(topic, 0, 2000), 0);
    }

    private static void fromEnd(Harness h) throws Exception {
        String topic = h.topic("end", 1);
        h.produce(Harness.numbered(topic, 50, 0));
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = h.consumer()) {
            consumer.assign(List.of(where));
            consumer.seekToEnd(List.of(where));
            Harness.equal("position", consumer.position(where), 50L);
            h.produce(List.of(new ProducerRecord<>(topic, 0, null, "new".getBytes())));
            ConsumerRecord<byte[], byte[]> record = Harness.drain(consumer, 1).get(0);
            Harness.equal("record", record.offset() + new String(record.value()), "50new");
        }
    }

    private static void fromOffset(Harness h) throws Exception {
        String topic = h.topic("offset", 1);
        h.produce(Harness.numbered(topic, 1000, 0), "linger.ms", "50");
        for (long offset : new long[] {1, 499, 999}) {
            Harness.checkNumbered(h.read(topic, offset, 1), offset);
        }
    }

    private static void fromTimestamp(Harness h) throws Exception {
        String topic = h.topic("time", 1);
        long base = Harness.recently();
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            records.add(new ProducerRecord<>(topic, 0, base + i * 1000, null, "v".getBytes()));
        }
        h.produce(records);
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = h.consumer()) {
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(where, base + 41500)).get(where);
            Harness.equal("offset", found.offset(), 42L);
            Harness.equal("timestamp", found.timestamp(), base + 42000);
            Harness.equal("epoch", found.leaderEpoch().isPresent(), true);
            Harness.equal("beyond", consumer.offsetsForTimes(Map.of(where, base + 99001)).get(where), null);
        }
    }

    private static void emptyFetch(Harness h) throws Exception {
        String topic = h.topic("empty", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = h.consumer()) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            Harness.equal("records", consumer.poll(Duration.ofMillis(600)).count(), 0);
            h.produce(Harness.numbered(topic, 1, 0));
            Harness.checkNumbered(Harness.drain(consumer, 1), 0);
        }
    }

    private static void segments(Harness h, int... sizes) throws Exception {
        String topic = h.topic("segments", 1, "segment.bytes", "1048576");
        h.produce(Harness.numbered(topic, 11000, 1000), "batch.size", 16384);
        for (int size : sizes) {
            for (String limit : List.of("max.partition.fetch.bytes", "fetch.max.bytes")) {
                Harness.checkNumbered(h.read(topic, 0, 11000, limit, size, "fetch.max.wait.ms", 10), 0);
            }
        }
    }

    private static void listOffsets(Harness h) throws Exception {
        String topic = h.topic("offsets", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        Harness.equal("latest of an empty one", ask(h, where, OffsetSpec.latest()).offset(), 0L);
        Harness.equal("largest of an empty one", ask(h, where, OffsetSpec.maxTimestamp()).offset(), -1L);
        long base = Harness.recently();
        for (long more : new long[] {1000, 3000, 2000}) {
            h.produce(List.of(new ProducerRecord<>(topic, 0, base + more, null, "v".getBytes())));
        }
        Harness.equal("earliest", ask(h, where, OffsetSpec.earliest()).offset(), 0L);
        Harness.equal("latest", ask(h, where, OffsetSpec.latest()).offset(), 3L);
        Harness.equal("local", ask(h, where, OffsetSpec.earliestLocal()).offset(), 0L);
        Harness.equal("tiered", ask(h, where, OffsetSpec.latestTiered()).offset(), -1L);
        Harness.equal("largest", ask(h, where, OffsetSpec.maxTimestamp()).offset(), 1L);
        ListOffsetsResultInfo found = ask(h, where, OffsetSpec.forTimestamp(base + 1500));
        Harness.equal("by time", found.offset() + " " + found.timestamp(), "1 " + (base + 3000));
        Harness.equal("beyond", ask(h, where, OffsetSpec.forTimestamp(base + 9000)).offset(), -1L);
    }

    private static ListOffsetsResultInfo ask(Harness h, TopicPartition where, OffsetSpec spec) throws Exception {
        return Harness.get(h.admin.listOffsets(Map.of(where, spec)).partitionResult(where));
    }

    private static void outOfRange(Harness h) throws Exception {
        String topic = h.topic("range", 1);
        h.produce(Harness.numbered(topic, 10, 0));
        Harness.checkNumbered(h.read(topic, 5000, 1), 0);
        Harness.refused(OffsetOutOfRangeException.class, () -> h.read(topic, 5000, 1, "auto.offset.reset", "none"));
    }

    private static void readCommitted(Harness h) throws Exception {
        String topic = h.topic("committed", 1);
        h.produce(Harness.numbered(topic, 100, 0));
        Harness.checkNumbered(h.read(topic, 0, 100, "isolation.level", "read_committed"), 0);
    }
}
