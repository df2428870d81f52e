import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

final class AdminCases {
    private AdminCases() {}

    static void register() {
        Harness.add("admin", "topic_lifecycle", AdminCases::topicLifecycle);
        Harness.add("admin", "topic_defaults", AdminCases::topicDefaults);
        Harness.add("admin", "topic_refusals", AdminCases::topicRefusals);
        Harness.add("admin", "partition_growth", AdminCases::partitionGrowth);
        Harness.add("admin", "auto_create", AdminCases::autoCreate);
        Harness.add("admin", "configs", AdminCases::configs);
        Harness.add("admin", "broker_configs", AdminCases::brokerConfigs);
        Harness.add("admin", "cluster", AdminCases::cluster);
        Harness.add("admin", "log_dirs", AdminCases::logDirs);
        Harness.add("admin", "delete_records", AdminCases::deleteRecords);
        Harness.add("admin", "describe_producers", AdminCases::describeProducers);
        Harness.add("admin", "quotas", AdminCases::quotas);
        Harness.add("admin", "elect_leaders", AdminCases::electLeaders);
        Harness.add("admin", "features", AdminCases::features);
        Harness.add("admin", "quorum", AdminCases::quorum);
        Harness.add("admin", "config_resources", AdminCases::configResources);
        Harness.addFull("admin", "retention", AdminCases::retention);
        Harness.addFull("admin", "compaction", AdminCases::compaction);
    }

    private static void topicLifecycle(Harness h) throws Exception {
        String topic = h.topic("life", 3);
        h.produce(Harness.numbered(topic, 10, 0));
        Harness.equal("listed", Harness.get(h.admin.listTopics().names()).contains(topic), true);
        Harness.get(h.admin.deleteTopics(List.of(topic)).all());
        Harness.until("the topic is gone", () -> h.partitions(topic) == 0);
        Harness.refused(UnknownTopicOrPartitionException.class,
                () -> Harness.get(h.admin.deleteTopics(List.of(topic)).all()));
        Harness.get(h.admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all());
        Harness.until("the topic is back", () -> h.partitions(topic) == 1);
        h.produce(Harness.numbered(topic, 1, 0));
        Harness.checkNumbered(h.read(topic, 0, 1), 0);
    }

    private static void topicDefaults(Harness h) throws Exception {
        String topic = Harness.unique("defaults");
        var made = h.admin.createTopics(List.of(new NewTopic(topic, Optional.empty(), Optional.empty())));
        Harness.get(made.all());
        Harness.equal("partitions", Harness.get(made.numPartitions(topic)) >= 1, true);
        Harness.equal("factor", Harness.get(made.replicationFactor(topic)), 1);
        Config config = Harness.get(made.config(topic));
        Harness.equal("configuration in the answer", config.get("retention.ms").value(), "604800000");
        Harness.until("the topic is there", () -> h.partitions(topic) >= 1);
    }

    private static void create(Harness h, NewTopic topic) throws Exception {
        Harness.get(h.admin.createTopics(List.of(topic)).all());
    }

    private static void topicRefusals(Harness h) throws Exception {
        String taken = h.topic("taken", 1);
        short one = 1;
        Harness.refused(TopicExistsException.class, () -> create(h, new NewTopic(taken, 1, one)));
        Harness.refused(InvalidTopicException.class, () -> create(h, new NewTopic("no/slash", 1, one)));
        Harness.refused(InvalidReplicationFactorException.class,
                () -> create(h, new NewTopic(Harness.unique("rf"), 1, (short) 3)));
        Harness.refused(InvalidPartitionsException.class,
                () -> create(h, new NewTopic(Harness.unique("zero"), 0, one)));
        Harness.refused(InvalidReplicaAssignmentException.class,
                () -> create(h, new NewTopic(Harness.unique("assigned"), Map.of(0, List.of(4711)))));
        Harness.refused(InvalidConfigurationException.class, () -> create(h,
                new NewTopic(Harness.unique("config"), 1, one).configs(Map.of("retention.ms", "soon"))));
        Harness.refused(InvalidConfigurationException.class, () -> create(h,
                new NewTopic(Harness.unique("config"), 1, one).configs(Map.of("no.such.config", "1"))));
        String dry = Harness.unique("dry");
        Harness.get(h.admin.createTopics(
                List.of(new NewTopic(dry, 2, one)), new CreateTopicsOptions().validateOnly(true)).all());
        Harness.equal("validation made nothing", h.partitions(dry), 0);
    }

    private static void partitionGrowth(Harness h) throws Exception {
        String topic = h.topic("grow", 1);
        Harness.get(h.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all());
        Harness.until("the partitions are there", () -> h.partitions(topic) == 4);
        for (int count : new int[] {4, 2}) {
            Harness.refused(InvalidPartitionsException.class, () ->
                    Harness.get(h.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all()));
        }
        h.produce(List.of(new ProducerRecord<>(topic, 3, null, "v".getBytes())));
    }

    private static void autoCreate(Harness h) throws Exception {
        String topic = Harness.unique("first-use");
        h.produce(Harness.numbered(topic, 5, 0));
        Harness.checkNumbered(h.read(topic, 0, 5), 0);
    }

    private static Config described(Harness h, ConfigResource resource) throws Exception {
        return Harness.get(h.admin.describeConfigs(List.of(resource)).all()).get(resource);
    }

    private static void alter(Harness h, ConfigResource resource, String key, String value, AlterConfigOp.OpType how)
            throws Exception {
        AlterConfigOp change = new AlterConfigOp(new ConfigEntry(key, value), how);
        Harness.get(h.admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all());
    }

    private static void configs(Harness h) throws Exception {
        String topic = h.topic("configs", 1, "retention.ms", "1234567");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Harness.equal("many", described(h, resource).entries().size() >= 30, true);
        ConfigEntry entry = described(h, resource).get("retention.ms");
        Harness.equal("value", entry.value(), "1234567");
        Harness.equal("source", entry.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
        entry = described(h, resource).get("cleanup.policy");
        Harness.equal("default", entry.value(), "delete");
        Harness.equal("source", entry.source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG);
        Harness.equal("type", entry.type(), ConfigEntry.ConfigType.LIST);
        alter(h, resource, "retention.ms", "7654321", AlterConfigOp.OpType.SET);
        Harness.until("set", () -> described(h, resource).get("retention.ms").value().equals("7654321"));
        alter(h, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        Harness.until("appended", () -> described(h, resource).get("cleanup.policy").value().contains("compact"));
        alter(h, resource, "cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT);
        Harness.until("subtracted", () -> described(h, resource).get("cleanup.policy").value().equals("compact"));
        alter(h, resource, "retention.ms", null, AlterConfigOp.OpType.DELETE);
        Harness.until("deleted", () -> described(h, resource).get("retention.ms").value().equals("604800000"));
        Harness.refused(InvalidConfigurationException.class,
                () -> alter(h, resource, "retention.ms", "soon", AlterConfigOp.OpType.SET));
        ConfigResource missing = new ConfigResource(ConfigResource.Type.TOPIC, Harness.unique("missing"));
        Harness.refused(UnknownTopicOrPartitionException.class, () -> described(h, missing));
    }

    private static Node node(Harness h) throws Exception {
        return Harness.get(h.admin.describeCluster().nodes()).iterator().next();
    }

    private static void brokerConfigs(Harness h) throws Exception {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, node(h).idString());
        Harness.equal("many", described(h, broker).entries().size() >= 200, true);
        Harness.equal("retention", described(h, broker).get("log.retention.hours").value(), "168");
        alter(h, broker, "log.cleaner.threads", "2", AlterConfigOp.OpType.SET);
        Harness.until("set", () -> described(h, broker).get("log.cleaner.threads").value().equals("2"));
        alter(h, broker, "log.cleaner.threads", null, AlterConfigOp.OpType.DELETE);
        Harness.until("deleted", () -> described(h, broker).get("log.cleaner.threads").value().equals("1"));
        ConfigResource every = new ConfigResource(ConfigResource.Type.BROKER, "");
        alter(h, every, "log.retention.ms", "500000000", AlterConfigOp.OpType.SET);
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, h.topic("inherits", 1));
        Harness.until("inherited", () -> described(h, topic).get("retention.ms").value().equals("500000000"));
        Harness.equal("source", described(h, topic).get("retention.ms").source(),
                ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG);
        alter(h, every, "log.retention.ms", null, AlterConfigOp.OpType.DELETE);
        Harness.until("deleted", () -> described(h, topic).get("retention.ms").value().equals("604800000"));
    }

    private static void cluster(Harness h) throws Exception {
        DescribeClusterResult found = h.admin.describeCluster();
        Harness.equal("nodes", Harness.get(found.nodes()).size(), 1);
        Harness.equal("controller", Harness.get(found.controller()).id(), node(h).id());
        Harness.equal("cluster id", Harness.get(found.clusterId()).length(), 22);
    }

    private static void logDirs(Harness h) throws Exception {
        String topic = h.topic("dirs", 1);
        h.produce(Harness.numbered(topic, 100, 100));
        int broker = node(h).id();
        TopicPartition where = new TopicPartition(topic, 0);
        long size = -1;
        String directory = null;
        for (Map.Entry<String, LogDirDescription> dir :
                Harness.get(h.admin.describeLogDirs(List.of(broker)).allDescriptions()).get(broker).entrySet()) {
            Harness.equal("total bytes", dir.getValue().totalBytes().isPresent(), true);
            if (dir.getValue().replicaInfos().containsKey(where)) {
                size = dir.getValue().replicaInfos().get(where).size();
                directory = dir.getKey();
            }
        }
        Harness.equal("size", size > 10000, true);
        TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, broker);
        Harness.equal("directory",
                Harness.get(h.admin.describeReplicaLogDirs(List.of(replica)).values().get(replica))
                        .getCurrentReplicaLogDir(), directory);
        Harness.get(h.admin.alterReplicaLogDirs(Map.of(replica, directory)).all());
    }

    private static long earliest(Harness h, TopicPartition where) throws Exception {
        return Harness.get(h.admin.listOffsets(Map.of(where, OffsetSpec.earliest())).partitionResult(where)).offset();
    }

    private static void deleteRecords(Harness h) throws Exception {
        String topic = h.topic("trim", 1);
        h.produce(Harness.numbered(topic, 100, 0));
        TopicPartition where = new TopicPartition(topic, 0);
        var done = h.admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(60)));
        Harness.equal("low watermark", Harness.get(done.lowWatermarks().get(where)).lowWatermark(), 60L);
        Harness.equal("earliest", earliest(h, where), 60L);
        Harness.refused(OffsetOutOfRangeException.class, () -> Harness.get(
                h.admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(1000))).all()));
        Harness.get(h.admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(-1))).all());
        Harness.equal("earliest", earliest(h, where), 100L);
    }

    private static void describeProducers(Harness h) throws Exception {
        String topic = h.topic("producers", 1);
        h.produce(Harness.numbered(topic, 10, 0));
        TopicPartition where = new TopicPartition(topic, 0);
        List<ProducerState> found = Harness.get(
                h.admin.describeProducers(List.of(where)).partitionResult(where)).activeProducers();
        Harness.equal("producers", found.size(), 1);
        Harness.equal("epoch", found.get(0).producerEpoch(), 0);
        Harness.equal("last sequence", found.get(0).lastSequence(), 9);
        Harness.equal("transaction", found.get(0).currentTransactionStartOffset().isPresent(), false);
    }

    private static void quotas(Harness h) throws Exception {
        String user = Harness.unique("client");
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, user));
        ClientQuotaFilter filter = ClientQuotaFilter.containsOnly(
                List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.CLIENT_ID, user)));
        for (Double rate : new Double[] {1234567.0, null}) {
            ClientQuotaAlteration.Op op = new ClientQuotaAlteration.Op("consumer_byte_rate", rate);
            Harness.get(h.admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(op)))).all());
            Harness.until("the quota", () -> {
                Map<String, Double> found =
                        Harness.get(h.admin.describeClientQuotas(filter).entities()).getOrDefault(entity, Map.of());
                return java.util.Objects.equals(found.get("consumer_byte_rate"), rate);
            });
        }
    }

    private static void electLeaders(Harness h) throws Exception {
        TopicPartition where = new TopicPartition(h.topic("elect", 1), 0);
        for (ElectionType type : ElectionType.values()) {
            Optional<Throwable> fault =
                    Harness.get(h.admin.electLeaders(type, Set.of(where)).partitions()).get(where);
            Harness.equal(type.name(), fault.get().getClass(), ElectionNotNeededException.class);
        }
    }

    private static void features(Harness h) throws Exception {
        FeatureMetadata found = Harness.get(h.admin.describeFeatures().featureMetadata());
        Harness.equal("finalized", found.finalizedFeatures().containsKey("metadata.version"), true);
        Harness.equal("supported", found.supportedFeatures().containsKey("metadata.version"), true);
        Harness.equal("epoch", found.finalizedFeaturesEpoch().isPresent(), true);
    }

    private static void quorum(Harness h) throws Exception {
        QuorumInfo found = Harness.get(h.admin.describeMetadataQuorum().quorumInfo());
        Harness.equal("leader", found.leaderId(), node(h).id());
        Harness.equal("voters", found.voters().size(), 1);
    }

    private static void configResources(Harness h) throws Exception {
        String topic = h.topic("resource", 1, "retention.ms", "1234567");
        Collection<ConfigResource> found =
                Harness.get(h.admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC), new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all());
        Harness.equal("listed", found.contains(new ConfigResource(ConfigResource.Type.TOPIC, topic)), true);
    }

    private static void retention(Harness h) throws Exception {
        String topic = h.topic("retention", 1, "retention.ms", "1000", "segment.ms", "500");
        h.produce(Harness.numbered(topic, 100, 0));
        TopicPartition where = new TopicPartition(topic, 0);
        Harness.until("the records expire", () -> earliest(h, where) == 100);
        String small = h.topic("small", 1, "retention.bytes", "1", "segment.bytes", "1048576");
        h.produce(Harness.numbered(small, 300, 10000));
        Harness.until("old segments go", () -> earliest(h, new TopicPartition(small, 0)) > 0);
    }

    private static void compaction(Harness h) throws Exception {
        String topic = h.topic("compact", 1, "cleanup.policy", "compact", "segment.ms", "200",
                "min.cleanable.dirty.ratio", "0.01", "max.compaction.lag.ms", "200", "delete.retention.ms", "100");
        for (int round = 0; round < 20; round++) {
            h.produce(Harness.numbered(topic, 5, 10));
        }
        h.produce(List.of(new ProducerRecord<>(topic, 0, "k4".getBytes(), null)));
        Harness.until("last values are left, and the tombstone goes", () -> {
            h.produce(List.of(new ProducerRecord<>(topic, 0, "tick".getBytes(), "t".getBytes())));
            List<Long> offsets = new java.util.ArrayList<>();
            h.read(topic, 0, 5).forEach(record -> offsets.add(record.offset()));
            return offsets.subList(0, 4).equals(List.of(95L, 96L, 97L, 98L)) && offsets.get(4) > 100;
        });
    }
}
