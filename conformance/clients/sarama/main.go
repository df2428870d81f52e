// Drives a broker with IBM/sarama.
//
//	driver BOOTSTRAP CASE-OR-AREA...    PASS NAME SECONDS, or FAIL NAME SECONDS MESSAGE, one line each
//	driver --list                       NAME AREA fixed|full
//
// An area stands for its fixed cases, or for all of them when MILENA_CONFORMANCE_FULL is set.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// How long one wait may take, far above what any broker needs.
const patience = 30 * time.Second

type testCase struct {
	name, area string
	full       bool
	run        func(*client)
}

func main() {
	cases := slices.Concat(produceCases, consumeCases, groupCases, adminCases, transactionCases)
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		for _, one := range cases {
			fmt.Println(one.name, one.area, map[bool]string{true: "full", false: "fixed"}[one.full])
		}
		return
	}
	everything := os.Getenv("MILENA_CONFORMANCE_FULL") != ""
	ran, failed := 0, 0
	for _, one := range cases {
		byArea := slices.Contains(os.Args[2:], one.area) && (everything || !one.full)
		if !byArea && !slices.Contains(os.Args[2:], one.name) {
			continue
		}
		ran++
		start := time.Now()
		message := attempt(one, os.Args[1])
		seconds := time.Since(start).Seconds()
		if message == "" {
			fmt.Printf("PASS %s %.1f\n", one.name, seconds)
		} else {
			failed++
			fmt.Printf("FAIL %s %.1f %s\n", one.name, seconds, strings.Join(strings.Fields(message), " "))
		}
	}
	if failed > 0 || ran == 0 {
		os.Exit(1)
	}
}

func attempt(one testCase, bootstrap string) (message string) {
	defer func() {
		if fault := recover(); fault != nil {
			message = fmt.Sprint(fault)
		}
	}()
	c := &client{bootstrap: bootstrap}
	defer c.close()
	one.run(c)
	return ""
}

// client is what most cases need. A fault panics, which fails the case.
type client struct {
	bootstrap string
	closers   []func() error
}

func (c *client) close() {
	for _, closer := range slices.Backward(c.closers) {
		_ = closer()
	}
}

func (c *client) config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.ClientID = "conformance"
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.MaxMessageBytes = 3000000
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	return config
}

func (c *client) admin() sarama.ClusterAdmin {
	admin := must(sarama.NewClusterAdmin([]string{c.bootstrap}, c.config()))
	c.closers = append(c.closers, admin.Close)
	return admin
}

func (c *client) topic(prefix string, partitions int32, configs ...string) string {
	name := unique(prefix)
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
	for _, config := range configs {
		key, value, _ := strings.Cut(config, "=")
		detail.ConfigEntries[key] = &value
	}
	admin := c.admin()
	check(admin.CreateTopic(name, detail, false))
	until("the topic is there", func() bool { return c.partitions(admin, name) == int(partitions) })
	return name
}

func (c *client) partitions(admin sarama.ClusterAdmin, topic string) int {
	found := must(admin.DescribeTopics([]string{topic}))
	if len(found) != 1 || found[0].Err != sarama.ErrNoError {
		return 0
	}
	for _, partition := range found[0].Partitions {
		if partition.Err != sarama.ErrNoError {
			return 0
		}
	}
	return len(found[0].Partitions)
}

// produce sends all messages at once and returns the first error.
func (c *client) produce(topic string, messages []*sarama.ProducerMessage, config *sarama.Config) error {
	if config == nil {
		config = c.config()
	}
	producer := must(sarama.NewSyncProducer([]string{c.bootstrap}, config))
	defer producer.Close()
	for _, message := range messages {
		message.Topic = topic
	}
	err := producer.SendMessages(messages)
	var several sarama.ProducerErrors
	if errors.As(err, &several) {
		return several[0].Err
	}
	return err
}

func (c *client) read(topic string, partition int32, offset int64, count int, config *sarama.Config) []*sarama.ConsumerMessage {
	if config == nil {
		config = c.config()
	}
	consumer := must(sarama.NewConsumer([]string{c.bootstrap}, config))
	defer consumer.Close()
	stream := must(consumer.ConsumePartition(topic, partition, offset))
	defer stream.Close()
	return drain(stream, count)
}

func drain(stream sarama.PartitionConsumer, count int) []*sarama.ConsumerMessage {
	var records []*sarama.ConsumerMessage
	deadline := time.After(patience)
	for len(records) < count {
		select {
		case record := <-stream.Messages():
			records = append(records, record)
		case <-deadline:
			panic(fmt.Sprintf("%d of %d records", len(records), count))
		}
	}
	return records
}

func numbered(count, size int) []*sarama.ProducerMessage {
	var messages []*sarama.ProducerMessage
	for i := range count {
		key := sarama.StringEncoder(fmt.Sprintf("k%d", i))
		value := sarama.StringEncoder(fmt.Sprintf("v%d%s", i, strings.Repeat("x", size)))
		messages = append(messages, &sarama.ProducerMessage{Key: key, Value: value})
	}
	return messages
}

func checkNumbered(records []*sarama.ConsumerMessage, first int64) {
	for i, record := range records {
		offset := first + int64(i)
		equal("offset", record.Offset, offset)
		equal("key", string(record.Key), fmt.Sprintf("k%d", offset))
	}
}

func recently() time.Time {
	return time.Now().Add(-time.Hour).Truncate(time.Millisecond)
}

func unique(prefix string) string {
	var random [5]byte
	_, _ = rand.Read(random[:])
	return prefix + "-" + hex.EncodeToString(random[:])
}

func until(what string, done func() bool) {
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			panic("gave up: " + what)
		}
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(what string, got, expected any) {
	if !reflect.DeepEqual(got, expected) {
		panic(fmt.Sprintf("%s: got %.300v, expected %.300v", what, got, expected))
	}
}

func refused(what string, err, expected error) {
	if !errors.Is(err, expected) {
		panic(fmt.Sprintf("%s: got %v, expected %v", what, err, expected))
	}
}
