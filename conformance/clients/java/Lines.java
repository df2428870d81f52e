import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Lines of text to a topic and from it.
 *
 * <pre>
 * Lines create BOOTSTRAP TOPIC PARTITIONS
 * Lines produce BOOTSTRAP TOPIC FILE PER-SECOND     a line is a record; each exactly once
 * Lines await BOOTSTRAP TOPIC COUNT                 ends when so many committed records are there
 * Lines consume BOOTSTRAP TOPIC COUNT               the same, and a second later prints all as KEY TAB VALUE
 * </pre>
 */
public final class Lines {
    private Lines() {}

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[1];
        String topic = arguments[2];
        switch (arguments[0]) {
            case "create" -> create(bootstrap, topic, Integer.parseInt(arguments[3]));
            case "produce" -> produce(bootstrap, topic, Path.of(arguments[3]), Integer.parseInt(arguments[4]));
            case "await" -> consume(bootstrap, topic, Integer.parseInt(arguments[3]), 0);
            case "consume" -> {
                for (String line : consume(bootstrap, topic, Integer.parseInt(arguments[3]), 1000)) {
                    System.out.println(line);
                }
            }
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void create(String bootstrap, String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    private static void produce(String bootstrap, String topic, Path file, int perSecond) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "key.serializer", StringSerializer.class,
                "value.serializer", StringSerializer.class, "linger.ms", "5");
        List<java.util.concurrent.Future<?>> pending = new ArrayList<>();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            int partitions = producer.partitionsFor(topic).size();
            long start = System.nanoTime();
            for (String line : Files.readAllLines(file)) {
                long due = start + pending.size() * 1_000_000_000L / perSecond;
                while (System.nanoTime() < due) {
                    Thread.sleep(1);
                }
                pending.add(producer.send(new ProducerRecord<>(topic, pending.size() % partitions, null, line)));
            }
            for (java.util.concurrent.Future<?> one : pending) {
                one.get();
            }
        }
    }

    private static List<String> consume(String bootstrap, String topic, int count, long moreMs) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "isolation.level", "read_committed",
                "key.deserializer", StringDeserializer.class, "value.deserializer", StringDeserializer.class,
                "enable.auto.commit", "false", "auto.offset.reset", "earliest");
        List<String> lines = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> all = new ArrayList<>();
            for (PartitionInfo one : consumer.partitionsFor(topic)) {
                all.add(new TopicPartition(topic, one.partition()));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            long end = Long.MAX_VALUE;
            while (System.nanoTime() < end) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    lines.add(record.key() + "\t" + record.value());
                }
                if (end == Long.MAX_VALUE && lines.size() >= count) {
                    end = System.nanoTime() + moreMs * 1_000_000;
                }
            }
        }
        return lines;
    }
}
