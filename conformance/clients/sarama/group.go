package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var groupCases = []testCase{
	{"eager_range", "group", false, func(c *client) { checkRebalances(c, sarama.NewBalanceStrategyRange()) }},
	{"eager_roundrobin", "group", true, func(c *client) { checkRebalances(c, sarama.NewBalanceStrategyRoundRobin()) }},
	{"eager_sticky", "group", true, func(c *client) { checkRebalances(c, sarama.NewBalanceStrategySticky()) }},
	{"cooperative", "group", false, func(c *client) { checkRebalances(c, sarama.NewBalanceStrategyCooperativeSticky()) }},
	{"static_member", "group", false, staticMember},
	{"commit_and_resume", "group", false, commitAndResume},
	{"reset_offsets_and_lag", "group", false, resetOffsetsAndLag},
	{"describe_and_delete_group", "group", false, describeAndDeleteGroup},
}

// member is one consumer of a group; it joins again until it is closed.
type member struct {
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	done   chan struct{}
	commit bool

	mutex    sync.Mutex
	owned    []int32
	sessions int
	records  []string
}

func (c *client) join(group, topic string, config *sarama.Config) *member {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{cancel: cancel, done: make(chan struct{}), commit: config.Consumer.Offsets.AutoCommit.Enable}
	m.group = must(sarama.NewConsumerGroup([]string{c.bootstrap}, group, config))
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			_ = m.group.Consume(ctx, []string{topic}, m)
		}
	}()
	c.closers = append(c.closers, func() error { m.close(); return nil })
	return m
}

func (m *member) close() {
	m.cancel()
	<-m.done
	_ = m.group.Close()
}

func (m *member) Setup(sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.sessions++
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	return nil
}

// A cooperative rebalance keeps the session, so what runs is what is owned.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.mutex.Lock()
	m.owned = append(m.owned, claim.Partition())
	m.mutex.Unlock()
	defer func() {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.owned = slices.DeleteFunc(m.owned, func(one int32) bool { return one == claim.Partition() })
	}()
	for {
		select {
		case record, open := <-claim.Messages():
			if !open {
				return nil
			}
			m.mutex.Lock()
			m.records = append(m.records, fmt.Sprintf("%d/%02d", record.Partition, record.Offset))
			m.mutex.Unlock()
			if m.commit {
				session.MarkMessage(record, "")
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) owns() []int32 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	owned := slices.Clone(m.owned)
	slices.Sort(owned)
	return owned
}

func (m *member) read() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Clone(m.records)
}

func settle(members []*member, each, partitions int) {
	until(fmt.Sprintf("%d partitions each", each), func() bool {
		together := map[int32]bool{}
		for _, one := range members {
			owned := one.owns()
			if len(owned) != each {
				return false
			}
			for _, partition := range owned {
				together[partition] = true
			}
		}
		return len(together) == partitions
	})
}

func checkRebalances(c *client, strategy sarama.BalanceStrategy) {
	topic, group := c.topic("rebalance", 6), unique("group")
	config := c.config()
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	config.Consumer.Offsets.AutoCommit.Enable = false
	members := []*member{c.join(group, topic, config)}
	settle(members, 6, 6)
	members = append(members, c.join(group, topic, config))
	settle(members, 3, 6)
	members = append(members, c.join(group, topic, config))
	settle(members, 2, 6)
	messages := numbered(120, 0)
	var expected []string
	for i, message := range messages {
		message.Partition = int32(i % 6)
		expected = append(expected, fmt.Sprintf("%d/%02d", i%6, i/6))
	}
	check(c.produce(topic, messages, nil))
	var got []string
	until("all records", func() bool {
		got = nil
		for _, one := range members {
			got = append(got, one.read()...)
		}
		return len(got) >= len(expected)
	})
	slices.Sort(got)
	slices.Sort(expected)
	equal("each record once", got, expected)
	members[0].close()
	settle(members[1:], 3, 6)
}

func staticMember(c *client) {
	topic, group := c.topic("static", 4), unique("group")
	config := func(instance string) *sarama.Config {
		config := c.config()
		config.Consumer.Group.InstanceId = instance
		return config
	}
	first, second := c.join(group, topic, config("one")), c.join(group, topic, config("two"))
	settle([]*member{first, second}, 2, 4)
	owned, sessions := second.owns(), first.sessions
	second.close()
	again := c.join(group, topic, config("two"))
	settle([]*member{first, again}, 2, 4)
	equal("partitions of the member that came back", again.owns(), owned)
	equal("sessions of the other", first.sessions, sessions)
}

func committed(admin sarama.ClusterAdmin, group, topic string) int64 {
	found := must(admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}}))
	return found.GetBlock(topic, 0).Offset
}

func commitAndResume(c *client) {
	topic, group := c.topic("commit", 1), unique("group")
	check(c.produce(topic, numbered(100, 0), nil))
	admin := c.admin()
	equal("before", committed(admin, group, topic), int64(-1))
	config := c.config()
	config.Consumer.Offsets.AutoCommit.Interval = 50 * time.Millisecond
	first := c.join(group, topic, config)
	until("the commit", func() bool { return committed(admin, group, topic) == 100 })
	first.close()
	check(c.produce(topic, numbered(5, 0), nil))
	second := c.join(group, topic, config)
	until("the rest", func() bool { return len(second.read()) >= 5 })
	equal("first record", second.read()[0], "0/100")
}

func resetOffsetsAndLag(c *client) {
	topic, group := c.topic("reset", 1), unique("group")
	check(c.produce(topic, numbered(100, 0), nil))
	admin := c.admin()
	first := c.join(group, topic, c.config())
	settle([]*member{first}, 1, 1)
	wanted := map[string]map[int32]sarama.OffsetAndMetadata{topic: {0: {Offset: 30, LeaderEpoch: -1}}}
	busy := must(admin.AlterConsumerGroupOffsets(group, wanted, nil))
	equal("a reset while in use", busy.Errors[topic][0], sarama.ErrUnknownMemberId)
	first.close()
	done := must(admin.AlterConsumerGroupOffsets(group, wanted, nil))
	equal("a reset", done.Errors[topic][0], sarama.ErrNoError)
	end := must(admin.ListOffsets(map[string]map[int32]int64{topic: {0: sarama.OffsetNewest}}, nil))
	equal("lag", end[topic][0].Offset-committed(admin, group, topic), int64(70))
	second := c.join(group, topic, c.config())
	until("a record", func() bool { return len(second.read()) > 0 })
	equal("first record", second.read()[0], "0/30")
}

func describeAndDeleteGroup(c *client) {
	topic, group := c.topic("describe", 2), unique("group")
	admin := c.admin()
	one := c.join(group, topic, c.config())
	settle([]*member{one}, 2, 2)
	found := must(admin.DescribeConsumerGroups([]string{group}))[0]
	equal("state", found.State+" "+found.Protocol, "Stable range")
	for _, described := range found.Members {
		equal("client", described.ClientId, "conformance")
	}
	equal("listed", must(admin.ListConsumerGroups())[group], "consumer")
	refused("deletion while in use", admin.DeleteConsumerGroup(group), sarama.ErrNonEmptyGroup)
	one.close()
	check(admin.DeleteConsumerGroup(group))
	refused("deletion of nothing", admin.DeleteConsumerGroup(group), sarama.ErrGroupIDNotFound)
}
