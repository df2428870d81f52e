// Drives a broker with KafkaJS.
//
//   driver.js BOOTSTRAP CASE-OR-AREA...    PASS NAME SECONDS, or FAIL NAME SECONDS MESSAGE, one line each
//   driver.js --list                       NAME AREA fixed|full
//
// An area stands for its fixed cases, or for all of them when MILENA_CONFORMANCE_FULL is set.
// CONFORMANCE_MODULES is the folder with the packages.
'use strict'

const { randomBytes } = require('node:crypto')
const path = require('node:path')
const from = (name) => require(path.join(process.env.CONFORMANCE_MODULES || 'node_modules', name))

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
const {
  Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, AssignerProtocol, logLevel,
} = from('kafkajs')
const lz4 = from('lz4js')
const xxhash = from('lz4js/xxh32.js')
const snappy = from('snappyjs')

// A batch may have 1048588 bytes by default; header and framing of one record without key take 72.
const LARGEST_VALUE = 1048588 - 72

// How long one wait may take, in milliseconds, far above what any broker needs.
const PATIENCE = 30000

CompressionCodecs[CompressionTypes.Snappy] = () => ({
  async compress(encoder) {
    const plain = encoder.buffer
    const block = Buffer.from(snappy.compress(plain))
    const head = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0])
    head.writeInt32BE(block.length, 16)
    return Buffer.concat([head, block])
  },
  async decompress(buffer) {
    if (buffer.readInt32BE(0) !== (0x82534e41 | 0)) return Buffer.from(snappy.uncompress(buffer))
    const blocks = []
    for (let at = 16; at < buffer.length;) {
      const size = buffer.readInt32BE(at)
      blocks.push(Buffer.from(snappy.uncompress(buffer.subarray(at + 4, at + 4 + size))))
      at += 4 + size
    }
    return Buffer.concat(blocks)
  },
})
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  async compress(encoder) {
    const frame = Buffer.from(lz4.compress(encoder.buffer))
    // Kafka wants blocks that stand alone, which ours of up to 4 MiB do; the package does not say so.
    frame[4] |= 0x20
    frame[6] = (xxhash.hash(0, frame, 4, 2) >> 8) & 0xff
    return frame
  },
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
})
let zstd
async function withZstd() {
  if (!zstd) {
    zstd = from('@bokuweb/zstd-wasm')
    await zstd.init()
  }
  return zstd
}
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from((await withZstd()).compress(encoder.buffer, 3)),
  decompress: async (buffer) => Buffer.from((await withZstd()).decompress(buffer)),
})

const cases = []
const add = (area, name, run, full = false) => cases.push({ area, name, run, full })

class Client {
  constructor(bootstrap) {
    this.kafka = new Kafka({
      clientId: 'conformance',
      brokers: [bootstrap],
      logLevel: process.env.CONFORMANCE_DEBUG ? logLevel.DEBUG : logLevel.NOTHING,
      requestTimeout: PATIENCE,
      retry: { initialRetryTime: 50, retries: 8 },
    })
    this.closers = []
  }

  async keep(thing) {
    this.closers.push(() => thing.disconnect())
    await thing.connect()
    return thing
  }

  async close() {
    for (const closer of this.closers.reverse()) await closer().catch(() => {})
  }

  async admin() {
    if (!this.kept) this.kept = await this.keep(this.kafka.admin())
    return this.kept
  }

  async topic(prefix, partitions = 1, configs = {}) {
    const name = unique(prefix)
    const configEntries = Object.entries(configs).map(([key, value]) => ({ name: key, value: String(value) }))
    const admin = await this.admin()
    const topics = [{ topic: name, numPartitions: partitions, replicationFactor: 1, configEntries }]
    await admin.createTopics({ topics, waitForLeaders: true })
    return name
  }

  async produce(topic, messages, { acks = -1, compression = CompressionTypes.None, ...options } = {}) {
    const retry = { retries: 3, initialRetryTime: 50 }
    const producer = await this.keep(this.kafka.producer({ retry, ...options }))
    return producer.send({ topic, messages, acks, compression })
  }

  // Reads `count` records of a topic in a group of its own, from an offset of partition 0.
  async read(topic, count, { offset, partition = 0, ...options } = {}) {
    const consumer = await this.keep(this.kafka.consumer({ groupId: unique('group'), maxWaitTimeInMs: 100, ...options }))
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    const records = []
    consumer.run({ autoCommit: false, eachMessage: async ({ message }) => { records.push(message) } })
    if (offset !== undefined) consumer.seek({ topic, partition, offset: String(offset) })
    await until(`${count} records`, () => records.length >= count)
    await consumer.stop()
    return records.slice(0, count)
  }
}

const unique = (prefix) => `${prefix}-${randomBytes(5).toString('hex')}`
const recently = () => Date.now() - 3600000
const numbered = (count, size = 0) =>
  Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `v${i}${'x'.repeat(size)}`, partition: 0 }))

async function until(what, done) {
  for (const end = Date.now() + PATIENCE; ;) {
    const result = await done()
    if (result) return result
    if (Date.now() > end) throw new Error(`gave up: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function equal(got, expected, what = 'value') {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)]
  if (left !== right) throw new Error(`${what}: got ${(left || '').slice(0, 300)}, expected ${right.slice(0, 300)}`)
}

async function typeOf(promise) {
  try {
    await promise
    return 'NONE'
  } catch (error) {
    const inner = error.errors ? error.errors[0] : error
    return inner.type || (inner.cause && inner.cause.type) || inner.message
  }
}

const texts = (records) => records.map((record) => record.value && record.value.toString())

// produce

for (const [name, acks] of [['acks_none', 0], ['acks_leader', 1], ['acks_all', -1]]) {
  add('produce', name, async (client) => {
    const topic = await client.topic('acks')
    await client.produce(topic, numbered(300), { acks })
    equal(texts(await client.read(topic, 300)), numbered(300).map((row) => row.value))
  })
}

for (const [name, compression] of Object.entries({
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
})) {
  add('produce', `compression_${name}`, async (client) => {
    const topic = await client.topic('codec')
    await client.produce(topic, numbered(1000, 200), { compression })
    equal(texts(await client.read(topic, 1000)), numbered(1000, 200).map((row) => row.value))
  })
}

add('produce', 'headers', async (client) => {
  const topic = await client.topic('headers')
  await client.produce(topic, [{ value: 'v', headers: { a: ['1', '2', '1'], b: '' } }, { value: 'w' }])
  const [first, second] = await client.read(topic, 2)
  equal(first.headers.a.map(String), ['1', '2', '1'], 'a')
  equal(String(first.headers.b), '', 'b')
  equal(second.headers, {}, 'none')
})

add('produce', 'null_and_empty', async (client) => {
  const topic = await client.topic('null')
  const pairs = [[null, null], ['', ''], [null, ''], ['', null], ['k', null]]
  await client.produce(topic, pairs.map(([key, value]) => ({ key, value })))
  const got = (await client.read(topic, 5)).map(({ key, value }) => [key, value].map((x) => x && x.toString()))
  equal(got, pairs)
})

add('produce', 'largest_record', async (client) => {
  const topic = await client.topic('largest')
  await client.produce(topic, [{ value: Buffer.alloc(LARGEST_VALUE, 'L') }])
  const [record] = await client.read(topic, 1)
  equal(record.value.equals(Buffer.alloc(LARGEST_VALUE, 'L')), true, 'the value comes back')
})

add('produce', 'too_large_record', async (client) => {
  const topic = await client.topic('large')
  const large = client.produce(topic, [{ value: Buffer.alloc(LARGEST_VALUE + 1, 'L') }])
  equal(await typeOf(large), 'MESSAGE_TOO_LARGE')
})

add('produce', 'idempotent', async (client) => {
  const topic = await client.topic('idempotent')
  const producer = await client.keep(client.kafka.producer({ idempotent: true, maxInFlightRequests: 1 }))
  for (let i = 0; i < 20; i++) await producer.send({ topic, messages: numbered(50) })
  const records = await client.read(topic, 1000)
  equal(records.map((record) => Number(record.offset)), Array.from({ length: 1000 }, (_, i) => i))
})

add('produce', 'timestamps', async (client) => {
  const sent = String(recently())
  let topic = await client.topic('created')
  await client.produce(topic, [{ value: 'v', timestamp: sent }])
  equal((await client.read(topic, 1))[0].timestamp, sent)
  topic = await client.topic('appended', 1, { 'message.timestamp.type': 'LogAppendTime' })
  await client.produce(topic, [{ value: 'v', timestamp: sent }])
  equal(Number((await client.read(topic, 1))[0].timestamp) > Number(sent) + 60000, true, 'append time')
})

// consume

add('consume', 'from_start', async (client) => {
  const topic = await client.topic('start')
  await client.produce(topic, numbered(2000))
  equal((await client.read(topic, 2000)).map((row) => Number(row.offset)), Array.from({ length: 2000 }, (_, i) => i))
})

add('consume', 'from_end', async (client) => {
  const topic = await client.topic('end')
  await client.produce(topic, numbered(50))
  const consumer = await client.keep(client.kafka.consumer({ groupId: unique('group'), maxWaitTimeInMs: 100 }))
  await consumer.subscribe({ topics: [topic], fromBeginning: false })
  const records = []
  let fetched = false
  consumer.on(consumer.events.FETCH, () => { fetched = true })
  consumer.run({ eachMessage: async ({ message }) => { records.push(message) } })
  await until('a fetch', () => fetched)
  await client.produce(topic, [{ value: 'new' }])
  await until('the record', () => records.length > 0)
  equal([records[0].offset, String(records[0].value)], ['50', 'new'])
})

add('consume', 'from_offset', async (client) => {
  const topic = await client.topic('offset')
  await client.produce(topic, numbered(1000))
  for (const offset of [1, 999]) {
    const [record] = await client.read(topic, 1, { offset })
    equal([Number(record.offset), String(record.key)], [offset, `k${offset}`])
  }
})

add('consume', 'from_timestamp', async (client) => {
  const topic = await client.topic('time')
  const base = recently()
  const messages = Array.from({ length: 100 }, (_, i) => ({ value: 'v', timestamp: String(base + i * 1000) }))
  await client.produce(topic, messages)
  const admin = await client.admin()
  const found = async (at) => Number((await admin.fetchTopicOffsetsByTimestamp(topic, at))[0].offset)
  equal(await found(base), 0)
  equal(await found(base + 41500), 42)
  equal(await found(base + 99000), 99)
  equal(await found(base + 99001), 100, 'beyond the end: the client answers the end')
})

add('consume', 'empty_fetch', async (client) => {
  const topic = await client.topic('empty')
  const consumer = await client.keep(client.kafka.consumer({ groupId: unique('group'), maxWaitTimeInMs: 50 }))
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  let [fetches, crash] = [0, null]
  const records = []
  consumer.on(consumer.events.FETCH, () => { fetches++ })
  consumer.on(consumer.events.CRASH, ({ payload }) => { crash = payload.error })
  consumer.run({ eachMessage: async ({ message }) => { records.push(message) } })
  await until('some fetches', () => fetches > 5 || crash)
  equal(crash && crash.message, null, 'crash')
  await client.produce(topic, [{ value: 'v' }])
  await until('the record', () => records.length > 0)
})

for (const [name, sizes, full] of [
  ['ten_segments', [20000, 1048576], false],
  ['ten_segments_many_sizes', [16384, 65536, 262144, 1048577, 4000000], true],
]) {
  add('consume', name, async (client) => {
    const topic = await client.topic('segments', 1, { 'segment.bytes': 1048576 })
    const producer = await client.keep(client.kafka.producer())
    for (let i = 0; i < 110; i++) await producer.send({ topic, messages: numbered(10, 10000) })
    for (const size of sizes) {
      const records = await client.read(topic, 1100, { maxBytesPerPartition: size, maxWaitTimeInMs: 10 })
      equal(records.map((row) => Number(row.offset)), Array.from({ length: 1100 }, (_, i) => i), `${size} bytes`)
    }
  }, full)
}

add('consume', 'list_offsets', async (client) => {
  const topic = await client.topic('offsets', 2)
  await client.produce(topic, [1, 2, 3].map(() => ({ value: 'v', partition: 1 })))
  const rows = (await (await client.admin()).fetchTopicOffsets(topic)).sort((a, b) => a.partition - b.partition)
  equal(rows.map(({ low, high }) => [low, high]), [['0', '0'], ['0', '3']])
})

add('consume', 'out_of_range', async (client) => {
  const topic = await client.topic('range')
  await client.produce(topic, numbered(10))
  equal((await client.read(topic, 1, { offset: 5000 }))[0].offset, '0')
})

// group

class Member {
  constructor(client, groupId, topic, options = {}) {
    Object.assign(this, { client, topic, owned: [], records: [], joins: 0 })
    this.consumer = client.kafka.consumer({
      groupId, sessionTimeout: 6000, heartbeatInterval: 200, maxWaitTimeInMs: 100, rebalanceTimeout: 10000, ...options,
    })
  }

  async start(autoCommit = false) {
    await this.client.keep(this.consumer)
    this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
      this.joins++
      this.owned = payload.memberAssignment[this.topic] || []
    })
    await this.consumer.subscribe({ topics: [this.topic], fromBeginning: true })
    await this.consumer.run({
      autoCommit,
      autoCommitInterval: 50,
      eachMessage: async ({ partition, message }) => { this.records.push(`${partition}/${message.offset}`) },
    })
    return this
  }
}

function settle(members, each, partitions) {
  return until(`${each} partitions each`, () =>
    members.every((one) => one.owned.length === each) &&
    new Set(members.flatMap((one) => one.owned)).size === partitions)
}

add('group', 'eager_roundrobin', async (client) => {
  const [topic, group] = [await client.topic('rebalance', 6), unique('group')]
  const members = [await new Member(client, group, topic).start()]
  await settle(members, 6, 6)
  members.push(await new Member(client, group, topic).start())
  await settle(members, 3, 6)
  members.push(await new Member(client, group, topic).start())
  await settle(members, 2, 6)
  await client.produce(topic, Array.from({ length: 120 }, (_, i) => ({ value: 'v', partition: i % 6 })))
  await until('all records', () => members.reduce((sum, one) => sum + one.records.length, 0) >= 120)
  const expected = Array.from({ length: 120 }, (_, i) => `${i % 6}/${Math.floor(i / 6)}`).sort()
  equal(members.flatMap((one) => one.records).sort(), expected, 'each record once')
  await members[0].consumer.disconnect()
  await settle(members.slice(1), 3, 6)
})

add('group', 'commit_and_resume', async (client) => {
  const [topic, group] = [await client.topic('commit'), unique('group')]
  await client.produce(topic, numbered(100))
  const admin = await client.admin()
  const committed = async () => (await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0].partitions[0].offset
  equal(await committed(), '-1', 'before')
  const first = await new Member(client, group, topic).start(true)
  await until('the commit', async () => (await committed()) === '100')
  await first.consumer.disconnect()
  await client.produce(topic, numbered(5))
  const second = await new Member(client, group, topic).start(true)
  await until('the rest', () => second.records.length >= 5)
  equal(second.records[0], '0/100')
})

add('group', 'reset_offsets_and_lag', async (client) => {
  const [topic, groupId] = [await client.topic('reset'), unique('group')]
  await client.produce(topic, numbered(100))
  const admin = await client.admin()
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '30' }] })
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
  const [{ high }] = await admin.fetchTopicOffsets(topic)
  equal(Number(high) - Number(partitions[0].offset), 70, 'lag')
  const member = await new Member(client, groupId, topic).start()
  await until('a record', () => member.records.length > 0)
  equal(member.records[0], '0/30')
  equal((await typeOf(admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '1' }] }))) !== 'NONE', true)
})

add('group', 'describe_and_delete_group', async (client) => {
  const [topic, group] = [await client.topic('describe', 2), unique('group')]
  const member = await new Member(client, group, topic).start()
  await settle([member], 2, 2)
  const admin = await client.admin()
  const { groups: [found] } = await admin.describeGroups([group])
  equal([found.state, found.protocol, found.members.map((row) => row.clientId)], ['Stable', 'RoundRobinAssigner', ['conformance']])
  const assigned = AssignerProtocol.MemberAssignment.decode(found.members[0].memberAssignment)
  equal(assigned.assignment[topic], [0, 1])
  equal((await admin.listGroups()).groups.some((row) => row.groupId === group), true, 'listed')
  const refusal = await admin.deleteGroups([group]).catch((error) => error.groups[0].error.type)
  equal(refusal, 'NON_EMPTY_GROUP')
  await member.consumer.disconnect()
  await admin.deleteGroups([group])
})

// admin

add('admin', 'topic_lifecycle', async (client) => {
  const [topic, admin] = [await client.topic('life', 3), await client.admin()]
  equal((await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length, 3)
  await admin.deleteTopics({ topics: [topic] })
  await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic))
})

add('admin', 'topic_defaults', async (client) => {
  const [topic, admin] = [unique('defaults'), await client.admin()]
  await admin.createTopics({ topics: [{ topic }], waitForLeaders: true })
  equal((await admin.listTopics()).includes(topic), true)
})

add('admin', 'topic_refusals', async (client) => {
  const [taken, admin] = [await client.topic('taken'), await client.admin()]
  equal(await admin.createTopics({ topics: [{ topic: taken }] }), false, 'taken')
  const create = (more) => typeOf(admin.createTopics({ topics: [{ topic: unique('bad'), ...more }] }))
  equal(await create({ topic: 'no/slash' }), 'INVALID_TOPIC_EXCEPTION')
  equal(await create({ replicationFactor: 3 }), 'INVALID_REPLICATION_FACTOR')
  equal(await create({ numPartitions: 0 }), 'INVALID_PARTITIONS')
  equal(await create({ configEntries: [{ name: 'retention.ms', value: 'soon' }] }), 'INVALID_CONFIG')
})

add('admin', 'partition_growth', async (client) => {
  const [topic, admin] = [await client.topic('grow'), await client.admin()]
  await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
  const count = async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length
  await until('the partitions', async () => (await count()) === 4)
})

add('admin', 'auto_create', async (client) => {
  const topic = unique('first-use')
  const producer = await client.keep(client.kafka.producer({ allowAutoTopicCreation: true }))
  await producer.send({ topic, messages: [{ value: 'v' }] })
  equal(texts(await client.read(topic, 1)), ['v'])
})

add('admin', 'configs', async (client) => {
  const [topic, admin] = [await client.topic('configs', 1, { 'retention.ms': 1234567 }), await client.admin()]
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
  const described = async () => {
    const found = await admin.describeConfigs({ resources: [resource], includeSynonyms: false })
    return Object.fromEntries(found.resources[0].configEntries.map((row) => [row.configName, row.configValue]))
  }
  equal(Object.keys(await described()).length >= 30, true, 'many')
  equal((await described())['retention.ms'], '1234567')
  const configEntries = [{ name: 'retention.bytes', value: '99999' }]
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] })
  await until('the value', async () => (await described())['retention.bytes'] === '99999')
  equal((await described())['retention.ms'], '604800000', 'the old call replaces everything')
})

add('admin', 'cluster', async (client) => {
  const found = await (await client.admin()).describeCluster()
  equal([found.brokers.length, found.controller], [1, found.brokers[0].nodeId])
  equal(found.clusterId.length >= 16, true, 'cluster id')
})

add('admin', 'delete_records', async (client) => {
  const [topic, admin] = [await client.topic('trim'), await client.admin()]
  await client.produce(topic, numbered(100))
  // The client only finds leaders of topics that it has asked about.
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '60' }] })
  equal((await client.read(topic, 1))[0].offset, '60')
})

// transaction

// KafkaJS keeps at most one request under way for a transactional producer.
const transactional = (client, transactionalId = unique('txn')) =>
  client.keep(client.kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 }))

async function transact(producer, topic, name, keep = true) {
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages: named(name).map((value) => ({ value, partition: 0 })) })
  await (keep ? transaction.commit() : transaction.abort())
}

const named = (...names) => names.flatMap((name) => [0, 1, 2, 3, 4].map((i) => `${name}${i}`))

// The client reads committed records unless told otherwise.
const committed = async (client, topic, count) => texts(await client.read(topic, count))

add('transaction', 'commit_and_abort', async (client) => {
  const topic = await client.topic('transaction')
  const producer = await transactional(client)
  await transact(producer, topic, 'a')
  await transact(producer, topic, 'b', false)
  await transact(producer, topic, 'c')
  equal(await committed(client, topic, 10), named('a', 'c'), 'committed')
  equal(texts(await client.read(topic, 15, { readUncommitted: true })), named('a', 'b', 'c'), 'all')
})

add('transaction', 'many_transactions', async (client) => {
  const topic = await client.topic('many')
  const producer = await transactional(client)
  for (let i = 0; i < 20; i++) await transact(producer, topic, `t${i}-`, i % 2 === 0)
  const expected = named(...Array.from({ length: 10 }, (_, i) => `t${i * 2}-`))
  equal(await committed(client, topic, expected.length), expected)
})

add('transaction', 'fencing', async (client) => {
  const [topic, id] = [await client.topic('fencing'), unique('txn')]
  const first = await transactional(client, id)
  const open = await first.transaction()
  await open.send({ topic, messages: [{ value: 'lost', partition: 0 }] })
  const second = await transactional(client, id)
  await transact(second, topic, 'kept')
  const type = await typeOf(open.commit())
  equal(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'].includes(type), true, `the older one: ${type}`)
  equal(await committed(client, topic, 5), named('kept'))
})

add('transaction', 'send_offsets', async (client) => {
  const [source, target, consumerGroupId] = [await client.topic('source'), await client.topic('target'), unique('group')]
  await client.produce(source, numbered(20))
  const producer = await transactional(client)
  const admin = await client.admin()
  for (const [keep, end] of [[true, '7'], [false, '11'], [true, '20']]) {
    const transaction = await producer.transaction()
    await transaction.send({ topic: target, messages: [{ value: end, partition: 0 }] })
    const topics = [{ topic: source, partitions: [{ partition: 0, offset: end }] }]
    await transaction.sendOffsets({ consumerGroupId, topics })
    await (keep ? transaction.commit() : transaction.abort())
    // The commit is answered before its markers are written, and this request does not wait for them.
    const expected = keep ? end : '7'
    await until(`offset ${expected}`, async () =>
      (await admin.fetchOffsets({ groupId: consumerGroupId, topics: [source] }))[0].partitions[0].offset === expected)
  }
  equal(await committed(client, target, 2), ['7', '20'])
})

async function main() {
  const [bootstrap, ...wanted] = process.argv.slice(2)
  if (bootstrap === '--list') {
    for (const { area, name, full } of cases) console.log(name, area, full ? 'full' : 'fixed')
    return 0
  }
  const everything = Boolean(process.env.MILENA_CONFORMANCE_FULL)
  const chosen = cases.filter((one) => wanted.includes(one.name) || (wanted.includes(one.area) && (everything || !one.full)))
  let failed = 0
  for (const { name, run } of chosen) {
    const start = Date.now()
    const seconds = () => ((Date.now() - start) / 1000).toFixed(1)
    const client = new Client(bootstrap)
    try {
      await run(client)
      console.log(`PASS ${name} ${seconds()}`)
    } catch (error) {
      failed++
      console.error(error)
      console.log(`FAIL ${name} ${seconds()} ${String(error).split(/\s+/).join(' ').slice(0, 500)}`)
    }
    await client.close()
  }
  return failed || !chosen.length ? 1 : 0
}

main().then((code) => process.exit(code))
