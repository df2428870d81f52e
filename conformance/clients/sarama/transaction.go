package main

import (
	"fmt"

	"github.com/IBM/sarama"
)

var transactionCases = []testCase{
	{"commit_and_abort", "transaction", false, commitAndAbort},
	{"many_transactions", "transaction", false, manyTransactions},
	{"fencing", "transaction", false, fencing},
	{"send_offsets", "transaction", false, sendOffsets},
}

func (c *client) transactional(id string) sarama.SyncProducer {
	config := c.config()
	config.Producer.Idempotent = true
	config.Producer.Transaction.ID = id
	config.Net.MaxOpenRequests = 1
	producer := must(sarama.NewSyncProducer([]string{c.bootstrap}, config))
	c.closers = append(c.closers, producer.Close)
	return producer
}

func transact(producer sarama.SyncProducer, topic, name string, keep bool) {
	check(producer.BeginTxn())
	var messages []*sarama.ProducerMessage
	for _, value := range named(name) {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)})
	}
	check(producer.SendMessages(messages))
	if keep {
		check(producer.CommitTxn())
	} else {
		check(producer.AbortTxn())
	}
}

func named(names ...string) []string {
	var values []string
	for _, name := range names {
		for i := range 5 {
			values = append(values, fmt.Sprintf("%s%d", name, i))
		}
	}
	return values
}

func (c *client) committed(topic string, count int, level sarama.IsolationLevel) []string {
	config := c.config()
	config.Consumer.IsolationLevel = level
	var values []string
	for _, record := range c.read(topic, 0, sarama.OffsetOldest, count, config) {
		values = append(values, string(record.Value))
	}
	return values
}

func commitAndAbort(c *client) {
	topic := c.topic("transaction", 1)
	producer := c.transactional(unique("txn"))
	transact(producer, topic, "a", true)
	transact(producer, topic, "b", false)
	transact(producer, topic, "c", true)
	equal("committed", c.committed(topic, 10, sarama.ReadCommitted), named("a", "c"))
	equal("all", c.committed(topic, 15, sarama.ReadUncommitted), named("a", "b", "c"))
}

func manyTransactions(c *client) {
	topic := c.topic("many", 1)
	producer := c.transactional(unique("txn"))
	var expected []string
	for i := range 30 {
		name := fmt.Sprintf("t%d-", i)
		transact(producer, topic, name, i%2 == 0)
		if i%2 == 0 {
			expected = append(expected, named(name)...)
		}
	}
	equal("committed", c.committed(topic, len(expected), sarama.ReadCommitted), expected)
}

func fencing(c *client) {
	topic, id := c.topic("fencing", 1), unique("txn")
	first := c.transactional(id)
	check(first.BeginTxn())
	_, _, err := first.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("lost")})
	check(err)
	second := c.transactional(id)
	transact(second, topic, "kept", true)
	equal("the older one is refused", first.CommitTxn() != nil, true)
	equal("committed", c.committed(topic, 5, sarama.ReadCommitted), named("kept"))
}

func sendOffsets(c *client) {
	source, target, group := c.topic("source", 1), c.topic("target", 1), unique("group")
	check(c.produce(source, numbered(20, 0), nil))
	producer, admin := c.transactional(unique("txn")), c.admin()
	for _, round := range []struct {
		keep          bool
		end, expected int64
	}{{true, 7, 7}, {false, 11, 7}, {true, 20, 20}} {
		check(producer.BeginTxn())
		value := sarama.StringEncoder(fmt.Sprint(round.end))
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: target, Value: value})
		check(err)
		offsets := map[string][]*sarama.PartitionOffsetMetadata{source: {{Partition: 0, Offset: round.end}}}
		check(producer.AddOffsetsToTxn(offsets, group))
		if round.keep {
			check(producer.CommitTxn())
		} else {
			check(producer.AbortTxn())
		}
		until("the offset", func() bool { return committed(admin, group, source) == round.expected })
	}
	equal("committed", c.committed(target, 2, sarama.ReadCommitted), []string{"7", "20"})
}
