package main

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

var adminCases = []testCase{
	{"topic_lifecycle", "admin", false, topicLifecycle},
	{"topic_defaults", "admin", false, topicDefaults},
	{"topic_refusals", "admin", false, topicRefusals},
	{"partition_growth", "admin", false, partitionGrowth},
	{"auto_create", "admin", false, autoCreate},
	{"configs", "admin", false, configs},
	{"cluster", "admin", false, cluster},
	{"log_dirs", "admin", false, logDirs},
	{"delete_records", "admin", false, deleteRecords},
	{"quotas", "admin", false, quotas},
	{"elect_leaders", "admin", false, electLeaders},
}

func topicLifecycle(c *client) {
	topic := c.topic("life", 3)
	admin := c.admin()
	check(c.produce(topic, numbered(10, 0), nil))
	detail := must(admin.ListTopics())[topic]
	equal("detail", fmt.Sprint(detail.NumPartitions, detail.ReplicationFactor), "3 1")
	check(admin.DeleteTopic(topic))
	until("the topic is gone", func() bool { return c.partitions(admin, topic) == 0 })
	refused("deletion of nothing", admin.DeleteTopic(topic), sarama.ErrUnknownTopicOrPartition)
}

func topicDefaults(c *client) {
	admin, name := c.admin(), unique("defaults")
	check(admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: -1, ReplicationFactor: -1}, false))
	until("the topic is there", func() bool { return c.partitions(admin, name) >= 1 })
}

func topicRefusals(c *client) {
	admin, taken := c.admin(), c.topic("taken", 1)
	create := func(name string, detail sarama.TopicDetail) error {
		var fault *sarama.TopicError
		if err := admin.CreateTopic(name, &detail, false); errors.As(err, &fault) {
			return fault.Err
		} else {
			return err
		}
	}
	good := sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}
	refused("taken", create(taken, good), sarama.ErrTopicAlreadyExists)
	refused("name", create("no/slash", good), sarama.ErrInvalidTopic)
	refused("factor", create(unique("rf"), sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 3}), sarama.ErrInvalidReplicationFactor)
	refused("partitions", create(unique("zero"), sarama.TopicDetail{NumPartitions: 0, ReplicationFactor: 1}), sarama.ErrInvalidPartitions)
	soon := "soon"
	good.ConfigEntries = map[string]*string{"retention.ms": &soon}
	refused("config", create(unique("config"), good), sarama.ErrInvalidConfig)
}

func partitionGrowth(c *client) {
	topic, admin := c.topic("grow", 1), c.admin()
	check(admin.CreatePartitions(topic, 4, nil, false))
	until("the partitions are there", func() bool { return c.partitions(admin, topic) == 4 })
	var fault *sarama.TopicPartitionError
	if err := admin.CreatePartitions(topic, 2, nil, false); !errors.As(err, &fault) || fault.Err != sarama.ErrInvalidPartitions {
		panic(fmt.Sprint("shrinking: ", err))
	}
	message := &sarama.ProducerMessage{Partition: 3, Value: sarama.StringEncoder("v")}
	check(c.produce(topic, []*sarama.ProducerMessage{message}, nil))
	equal("value", string(c.read(topic, 3, 0, 1, nil)[0].Value), "v")
}

func autoCreate(c *client) {
	topic := unique("first-use")
	check(c.produce(topic, numbered(5, 0), nil))
	checkNumbered(c.read(topic, 0, sarama.OffsetOldest, 5, nil), 0)
}

func configs(c *client) {
	topic, admin := c.topic("configs", 1, "retention.ms=1234567"), c.admin()
	described := func() map[string]string {
		found := map[string]string{}
		for _, entry := range must(admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})) {
			found[entry.Name] = entry.Value
		}
		return found
	}
	equal("many", len(described()) >= 30, true)
	equal("retention.ms", described()["retention.ms"], "1234567")
	value := "7654321"
	check(admin.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value},
	}, false))
	until("the value", func() bool { return described()["retention.ms"] == value })
	bytes := "99999"
	check(admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.bytes": &bytes}, false))
	until("the value", func() bool { return described()["retention.bytes"] == bytes })
	equal("the old call replaces everything", described()["retention.ms"], "604800000")
}

func cluster(c *client) {
	brokers, controller, err := c.admin().DescribeCluster()
	check(err)
	equal("brokers", len(brokers), 1)
	equal("controller", controller, brokers[0].ID())
}

func logDirs(c *client) {
	topic, admin := c.topic("dirs", 1), c.admin()
	check(c.produce(topic, numbered(100, 100), nil))
	brokers, _, err := admin.DescribeCluster()
	check(err)
	for _, dir := range must(admin.DescribeLogDirs([]int32{brokers[0].ID()}))[brokers[0].ID()] {
		for _, row := range dir.Topics {
			if row.Topic == topic {
				equal("size", row.Partitions[0].Size > 10000, true)
				return
			}
		}
	}
	panic("the topic is in no directory")
}

func deleteRecords(c *client) {
	topic, admin := c.topic("trim", 1), c.admin()
	check(c.produce(topic, numbered(100, 0), nil))
	check(admin.DeleteRecords(topic, map[int32]int64{0: 60}))
	checkNumbered(c.read(topic, 0, sarama.OffsetOldest, 1, nil), 60)
}

func quotas(c *client) {
	admin := c.admin()
	entity := []sarama.QuotaEntityComponent{{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Name: unique("client")}}
	check(admin.AlterClientQuotas(entity, sarama.ClientQuotasOp{Key: "producer_byte_rate", Value: 12345678}, false))
	filter := []sarama.QuotaFilterComponent{{EntityType: sarama.QuotaEntityClientID, MatchType: sarama.QuotaMatchExact, Match: entity[0].Name}}
	found := func() float64 {
		rows := must(admin.DescribeClientQuotas(filter, true))
		if len(rows) == 0 {
			return 0
		}
		return rows[0].Values["producer_byte_rate"]
	}
	until("the quota", func() bool { return found() == 12345678 })
	check(admin.AlterClientQuotas(entity, sarama.ClientQuotasOp{Key: "producer_byte_rate", Remove: true}, false))
	until("no quota", func() bool { return found() == 0 })
}

func electLeaders(c *client) {
	topic, admin := c.topic("elect", 1), c.admin()
	found := must(admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: {0}}))
	equal("error", found[topic][0].ErrorCode, sarama.ErrElectionNotNeeded)
}
