import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;

final class ProduceCases {
    /** A batch may have 1048588 bytes by default; header and framing of one record without key take 72. */
    private static final int LARGEST_VALUE = 1048588 - 72;

    private ProduceCases() {}

    static void register() {
        Harness.add("produce", "acks_none", h -> acks(h, "0"));
        Harness.add("produce", "acks_leader", h -> acks(h, "1"));
        Harness.add("produce", "acks_all", h -> acks(h, "all"));
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            Harness.add("produce", "compression_" + codec, h -> compression(h, codec));
        }
        Harness.add("produce", "headers", ProduceCases::headers);
        Harness.add("produce", "null_and_empty", ProduceCases::nullAndEmpty);
        Harness.add("produce", "largest_record", ProduceCases::largestRecord);
        Harness.add("produce", "too_large_record", ProduceCases::tooLargeRecord);
        Harness.add("produce", "idempotent", ProduceCases::idempotent);
        Harness.add("produce", "timestamps", ProduceCases::timestamps);
    }

    private static void acks(Harness h, String acks) throws Exception {
        String topic = h.topic("acks", 1);
        boolean idempotence = acks.equals("all");
        h.produce(Harness.numbered(topic, 500, 0), "acks", acks, "enable.idempotence", idempotence);
        Harness.checkNumbered(h.read(topic, 0, 500), 0);
    }

    private static void compression(Harness h, String codec) throws Exception {
        String topic = h.topic("codec", 1);
        h.produce(Harness.numbered(topic, 3000, 200), "compression.type", codec, "linger.ms", "20");
        List<ConsumerRecord<byte[], byte[]>> records = h.read(topic, 0, 3000);
        Harness.checkNumbered(records, 0);
        Harness.equal("size", records.get(2999).value().length, 200);
    }

    private static void headers(Harness h) throws Exception {
        String topic = h.topic("headers", 1);
        List<Header> sent = List.of(
                new RecordHeader("a", "1".getBytes()),
                new RecordHeader("b", (byte[]) null),
                new RecordHeader("a", "2".getBytes()),
                new RecordHeader("", new byte[0]),
                new RecordHeader("a", "1".getBytes()));
        h.produce(List.of(new ProducerRecord<>(topic, 0, (byte[]) null, "v".getBytes(), sent)));
        List<Header> got = Arrays.asList(h.read(topic, 0, 1).get(0).headers().toArray());
        Harness.equal("headers", got, sent);
    }

    private static void nullAndEmpty(Harness h) throws Exception {
        String topic = h.topic("null", 1);
        byte[] empty = new byte[0];
        byte[][][] pairs = {{null, null}, {empty, empty}, {null, empty}, {empty, null}, {"k".getBytes(), null}};
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (byte[][] pair : pairs) {
            records.add(new ProducerRecord<>(topic, 0, pair[0], pair[1]));
        }
        h.produce(records);
        int i = 0;
        for (ConsumerRecord<byte[], byte[]> record : h.read(topic, 0, pairs.length)) {
            Harness.equal("key", Arrays.toString(record.key()), Arrays.toString(pairs[i][0]));
            Harness.equal("value", Arrays.toString(record.value()), Arrays.toString(pairs[i][1]));
            i++;
        }
    }

    private static void largestRecord(Harness h) throws Exception {
        String topic = h.topic("largest", 1);
        h.produce(List.of(new ProducerRecord<>(topic, 0, null, new byte[LARGEST_VALUE])));
        Harness.equal("size", h.read(topic, 0, 1).get(0).value().length, LARGEST_VALUE);
    }

    private static void tooLargeRecord(Harness h) throws Exception {
        String topic = h.topic("large", 1);
        Harness.refused(RecordTooLargeException.class, () ->
                h.produce(List.of(new ProducerRecord<>(topic, 0, null, new byte[LARGEST_VALUE + 1]))));
    }

    private static void idempotent(Harness h) throws Exception {
        String topic = h.topic("idempotent", 1);
        List<Long> offsets = h.produce(Harness.numbered(topic, 5000, 0),
                "enable.idempotence", true, "max.in.flight.requests.per.connection", 5, "batch.size", 500);
        for (int i = 0; i < 5000; i++) {
            Harness.equal("offset", offsets.get(i), (long) i);
        }
        Harness.checkNumbered(h.read(topic, 0, 5000), 0);
    }

    private static void timestamps(Harness h) throws Exception {
        long sent = Harness.recently();
        String topic = h.topic("created", 1);
        h.produce(List.of(new ProducerRecord<>(topic, 0, sent, null, "v".getBytes())));
        ConsumerRecord<byte[], byte[]> record = h.read(topic, 0, 1).get(0);
        Harness.equal("type", record.timestampType(), TimestampType.CREATE_TIME);
        Harness.equal("timestamp", record.timestamp(), sent);
        topic = h.topic("appended", 1, "message.timestamp.type", "LogAppendTime");
        h.produce(List.of(new ProducerRecord<>(topic, 0, sent, null, "v".getBytes())));
        record = h.read(topic, 0, 1).get(0);
        Harness.equal("type", record.timestampType(), TimestampType.LOG_APPEND_TIME);
        Harness.equal("later", record.timestamp() > sent + 60000, true);
    }
}
