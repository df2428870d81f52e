package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// A batch may have 1048588 bytes by default; header and framing of one record without key take 72.
const largestValue = 1048588 - 72

var produceCases = []testCase{
	{"acks_none", "produce", false, func(c *client) { checkAcks(c, sarama.NoResponse) }},
	{"acks_leader", "produce", false, func(c *client) { checkAcks(c, sarama.WaitForLocal) }},
	{"acks_all", "produce", false, func(c *client) { checkAcks(c, sarama.WaitForAll) }},
	{"compression_none", "produce", false, func(c *client) { checkCompression(c, sarama.CompressionNone) }},
	{"compression_gzip", "produce", false, func(c *client) { checkCompression(c, sarama.CompressionGZIP) }},
	{"compression_snappy", "produce", false, func(c *client) { checkCompression(c, sarama.CompressionSnappy) }},
	{"compression_lz4", "produce", false, func(c *client) { checkCompression(c, sarama.CompressionLZ4) }},
	{"compression_zstd", "produce", false, func(c *client) { checkCompression(c, sarama.CompressionZSTD) }},
	{"headers", "produce", false, headers},
	{"null_and_empty", "produce", false, nullAndEmpty},
	{"largest_record", "produce", false, largestRecord},
	{"too_large_record", "produce", false, tooLargeRecord},
	{"idempotent", "produce", false, idempotent},
	{"timestamps", "produce", false, timestamps},
}

func checkAcks(c *client, acks sarama.RequiredAcks) {
	topic := c.topic("acks", 1)
	config := c.config()
	config.Producer.RequiredAcks = acks
	check(c.produce(topic, numbered(300, 0), config))
	checkNumbered(c.read(topic, 0, sarama.OffsetOldest, 300, nil), 0)
}

func checkCompression(c *client, codec sarama.CompressionCodec) {
	topic := c.topic("codec", 1)
	config := c.config()
	config.Producer.Compression = codec
	check(c.produce(topic, numbered(1000, 200), config))
	records := c.read(topic, 0, sarama.OffsetOldest, 1000, nil)
	checkNumbered(records, 0)
	equal("value", string(records[999].Value), "v999"+strings.Repeat("x", 200))
}

func headers(c *client) {
	topic := c.topic("headers", 1)
	sent := []sarama.RecordHeader{
		{Key: []byte("a"), Value: []byte("1")},
		{Key: []byte("b"), Value: nil},
		{Key: []byte("a"), Value: []byte("2")},
		{Key: []byte("c"), Value: []byte{}},
	}
	check(c.produce(topic, []*sarama.ProducerMessage{{Value: sarama.StringEncoder("v"), Headers: sent}}, nil))
	got := c.read(topic, 0, sarama.OffsetOldest, 1, nil)[0].Headers
	equal("count", len(got), len(sent))
	for i, header := range got {
		equal("key", string(header.Key), string(sent[i].Key))
		equal("value", string(header.Value), string(sent[i].Value))
	}
	equal("null value", got[1].Value == nil, true)
}

func nullAndEmpty(c *client) {
	topic := c.topic("null", 1)
	empty := sarama.ByteEncoder([]byte{})
	check(c.produce(topic, []*sarama.ProducerMessage{
		{}, {Key: empty, Value: empty}, {Value: empty}, {Key: sarama.StringEncoder("k")},
	}, nil))
	var got []string
	for _, record := range c.read(topic, 0, sarama.OffsetOldest, 4, nil) {
		got = append(got, fmt.Sprint(record.Key == nil, record.Value == nil, len(record.Key), len(record.Value)))
	}
	equal("records", got, []string{"true true 0 0", "false false 0 0", "true false 0 0", "false true 1 0"})
}

func largestRecord(c *client) {
	topic := c.topic("largest", 1)
	value := strings.Repeat("L", largestValue)
	check(c.produce(topic, []*sarama.ProducerMessage{{Value: sarama.StringEncoder(value)}}, nil))
	equal("same", string(c.read(topic, 0, sarama.OffsetOldest, 1, nil)[0].Value) == value, true)
}

func tooLargeRecord(c *client) {
	topic := c.topic("large", 1)
	value := sarama.StringEncoder(strings.Repeat("L", largestValue+1))
	refused("too large", c.produce(topic, []*sarama.ProducerMessage{{Value: value}}, nil), sarama.ErrMessageSizeTooLarge)
}

func idempotent(c *client) {
	topic := c.topic("idempotent", 1)
	config := c.config()
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Flush.MaxMessages = 20
	check(c.produce(topic, numbered(2000, 0), config))
	checkNumbered(c.read(topic, 0, sarama.OffsetOldest, 2000, nil), 0)
}

func timestamps(c *client) {
	sent := recently()
	message := func() []*sarama.ProducerMessage {
		return []*sarama.ProducerMessage{{Value: sarama.StringEncoder("v"), Timestamp: sent}}
	}
	topic := c.topic("created", 1)
	check(c.produce(topic, message(), nil))
	got := c.read(topic, 0, sarama.OffsetOldest, 1, nil)[0].Timestamp
	equal("created", got.UnixMilli(), sent.UnixMilli())
	topic = c.topic("appended", 1, "message.timestamp.type=LogAppendTime")
	check(c.produce(topic, message(), nil))
	got = c.read(topic, 0, sarama.OffsetOldest, 1, nil)[0].Timestamp
	equal("appended", got.After(sent.Add(time.Minute)), true)
}
