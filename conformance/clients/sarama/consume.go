package main

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

var consumeCases = []testCase{
	{"from_start", "consume", false, fromStart},
	{"from_end", "consume", false, fromEnd},
	{"from_offset", "consume", false, fromOffset},
	{"from_timestamp", "consume", false, fromTimestamp},
	{"empty_fetch", "consume", false, emptyFetch},
	{"ten_segments", "consume", false, func(c *client) { checkSegments(c, 20000, 1048576) }},
	{"ten_segments_many_sizes", "consume", true, func(c *client) {
		checkSegments(c, 16384, 16385, 65536, 262144, 1048577, 4000000)
	}},
	{"list_offsets", "consume", false, listOffsets},
	{"out_of_range", "consume", false, outOfRange},
}

func fromStart(c *client) {
	topic := c.topic("start", 1)
	check(c.produce(topic, numbered(2000, 0), nil))
	checkNumbered(c.read(topic, 0, sarama.OffsetOldest, 2000, nil), 0)
}

func fromEnd(c *client) {
	topic := c.topic("end", 1)
	check(c.produce(topic, numbered(50, 0), nil))
	consumer := must(sarama.NewConsumer([]string{c.bootstrap}, c.config()))
	defer consumer.Close()
	stream := must(consumer.ConsumePartition(topic, 0, sarama.OffsetNewest))
	defer stream.Close()
	check(c.produce(topic, []*sarama.ProducerMessage{{Value: sarama.StringEncoder("new")}}, nil))
	record := drain(stream, 1)[0]
	equal("record", fmt.Sprint(record.Offset, string(record.Value)), "50new")
}

func fromOffset(c *client) {
	topic := c.topic("offset", 1)
	check(c.produce(topic, numbered(1000, 0), nil))
	for _, offset := range []int64{1, 499, 999} {
		checkNumbered(c.read(topic, 0, offset, 1, nil), offset)
	}
}

func fromTimestamp(c *client) {
	topic := c.topic("time", 1)
	base := recently()
	messages := numbered(100, 0)
	for i, message := range messages {
		message.Timestamp = base.Add(time.Duration(i) * time.Second)
	}
	check(c.produce(topic, messages, nil))
	client := must(sarama.NewClient([]string{c.bootstrap}, c.config()))
	defer client.Close()
	found := func(after time.Duration) int64 {
		return must(client.GetOffset(topic, 0, base.Add(after).UnixMilli()))
	}
	equal("first", found(0), int64(0))
	equal("between", found(41500*time.Millisecond), int64(42))
	equal("last", found(99*time.Second), int64(99))
	equal("beyond", found(100*time.Second), int64(-1))
}

func emptyFetch(c *client) {
	topic := c.topic("empty", 1)
	config := c.config()
	config.Consumer.Return.Errors = true
	consumer := must(sarama.NewConsumer([]string{c.bootstrap}, config))
	defer consumer.Close()
	stream := must(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer stream.Close()
	select {
	case record := <-stream.Messages():
		panic(fmt.Sprint("a record: ", record))
	case fault := <-stream.Errors():
		panic(fault)
	case <-time.After(600 * time.Millisecond):
	}
	check(c.produce(topic, numbered(1, 0), nil))
	checkNumbered(drain(stream, 1), 0)
}

func checkSegments(c *client, sizes ...int32) {
	topic := c.topic("segments", 1, "segment.bytes=1048576")
	config := c.config()
	config.Producer.Flush.MaxMessages = 10
	check(c.produce(topic, numbered(1100, 10000), config))
	for _, size := range sizes {
		config := c.config()
		config.Consumer.Fetch.Default = size
		config.Consumer.MaxWaitTime = 10 * time.Millisecond
		checkNumbered(c.read(topic, 0, sarama.OffsetOldest, 1100, config), 0)
	}
}

func listOffsets(c *client) {
	topic := c.topic("offsets", 2)
	base := recently()
	var messages []*sarama.ProducerMessage
	for _, seconds := range []int{1, 3, 2} {
		at := base.Add(time.Duration(seconds) * time.Second)
		messages = append(messages, &sarama.ProducerMessage{Partition: 1, Timestamp: at, Value: sarama.StringEncoder("v")})
	}
	check(c.produce(topic, messages, nil))
	admin := c.admin()
	ask := func(partition int32, at int64) string {
		asked := map[string]map[int32]int64{topic: {partition: at}}
		row := must(admin.ListOffsets(asked, nil))[topic][partition]
		equal("error", row.Err, sarama.ErrNoError)
		return fmt.Sprint(row.Offset, " ", row.Timestamp)
	}
	equal("oldest", ask(1, sarama.OffsetOldest), "0 -1")
	equal("newest", ask(1, sarama.OffsetNewest), "3 -1")
	equal("newest of an empty one", ask(0, sarama.OffsetNewest), "0 -1")
	third := base.Add(3 * time.Second).UnixMilli()
	equal("time", ask(1, base.UnixMilli()+1500), fmt.Sprint(1, " ", third))
}

func outOfRange(c *client) {
	topic := c.topic("range", 1)
	check(c.produce(topic, numbered(10, 0), nil))
	consumer := must(sarama.NewConsumer([]string{c.bootstrap}, c.config()))
	defer consumer.Close()
	_, err := consumer.ConsumePartition(topic, 0, 5000)
	refused("beyond the end", err, sarama.ErrOffsetOutOfRange)
}
