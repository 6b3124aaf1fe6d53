import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { createRedisClient, createRedisStore, type RedisTarget } from '../../stores/redis.ts'
import type { Store } from '../../stores/store.ts'
import { makeAuthority, makeCertificate, writeCertificate, type Certificate } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { connectAdmin, startRedis } from '../helpers/redis-server.ts'
import { until } from '../helpers/redis-topology.ts'
import { session } from '../../stores/contract/fixtures.ts'

const authority = makeAuthority()
const byName = makeCertificate({ authority, withAddress: false })

interface TlsServer { port: number, url: string, plain: { url: string, port: number } }

/** A Redis that speaks TLS with a certificate on one port and nothing but Redis on another. */
async function startTls (t: Test, certificate: Certificate, args: string[] = []): Promise<TlsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-tls-'))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  await mkdir(join(folder, 'authority'))
  const { tls } = await writeCertificate(t, folder, certificate)
  const ca = await writeCertificate(t, join(folder, 'authority'), authority)
  const port = await findClosedPort()
  const server = await startRedis(t, ['--tls-port', String(port), '--tls-cert-file', tls.cert, '--tls-key-file', tls.key, '--tls-ca-cert-file', ca.tls.cert, '--tls-auth-clients', 'no', ...args])
  return { port, url: `rediss://localhost:${port}`, plain: server }
}

async function open (t: Test, target: RedisTarget): Promise<Store> {
  const store = await createRedisStore({ redis: createRedisClient(target), closeClient: true, timeoutMs: 10_000, connectTimeoutMs: 20_000 })
  t.teardown(() => store.end())
  return store
}

/** What a start says; it waits for nothing that waiting does not change. */
async function refusal (t: Test, target: RedisTarget, connectTimeoutMs = 20_000): Promise<{ code: string, text: string }> {
  const error = await createRedisStore({ redis: createRedisClient(target), closeClient: true, timeoutMs: 10_000, connectTimeoutMs }).then(store => store.end(), (error: unknown) => error) as Error & { code: string }
  t.notMatch(inspect(error, { depth: 9 }), /correct-horse/, 'no password is told')
  return { code: error.code, text: error.code === 'PTC_ERR_CONFIG_INVALID' ? error.message : String((error.cause as Error).message) }
}

const final = (text: RegExp): { code: string, text: RegExp } => ({ code: 'PTC_ERR_CONFIG_INVALID', text })

t.test('a server whose certificate a private authority has signed is trusted by that authority\'s certificate alone', async t => {
  const { url } = await startTls(t, byName)

  t.ok((await (await open(t, { url, tls: { ca: authority.cert } })).open(session())).record.sid)

  t.match(await refusal(t, url), final(/^store\.tls\.ca: .*authority that is not trusted here/))
  t.match(await refusal(t, { url, tls: { ca: makeAuthority().cert } }), final(/^store\.tls\.ca: /))
  t.match(await refusal(t, { url: url.replace('localhost', '127.0.0.1'), tls: { ca: authority.cert } }), final(/^store\.url: .*for other names/))
})

for (const [what, certificate, text] of [
  ['has expired', makeCertificate({ authority, from: Date.now() - 7_200_000, to: Date.now() - 3_600_000 }), /^store\.url: the certificate of Redis has expired/],
  ['is not valid yet', makeCertificate({ authority, from: Date.now() + 3_600_000, to: Date.now() + 7_200_000 }), /^store\.url: the certificate of Redis is not valid yet/],
  ['has other names', makeCertificate({ authority, names: ['redis.example'] }), /^store\.url: the certificate of Redis is for other names/],
  ['has signed itself', makeCertificate(), /^store\.tls\.ca: .*not trusted here/]
] as const) {
  t.test(`a certificate that ${what} is refused at once, and the error says so`, async t => {
    const { url } = await startTls(t, certificate)

    t.match(await refusal(t, { url, tls: { ca: authority.cert } }), final(text))
  })
}

t.test('a server that demands a client certificate gets the one of store.tls', async t => {
  const { url } = await startTls(t, byName, ['--tls-auth-clients', 'yes'])
  const { cert, key } = makeCertificate({ authority, names: ['gateway'] })

  t.ok(await open(t, { url, tls: { ca: authority.cert, cert, key } }))
  t.match(await refusal(t, { url, tls: { ca: authority.cert } }), final(/^store\.tls\.cert: Redis demands a certificate/))
  t.match(await refusal(t, { url, tls: { ca: authority.cert, ...makeCertificate() } }), final(/^store\.tls\.cert: Redis does not accept/))
})

t.test('TLS where there is none, and none where there is, are told apart from a server that is away', async t => {
  const { plain, port } = await startTls(t, byName)

  t.match(await refusal(t, plain.url.replace('redis:', 'rediss:'), 1500), { code: 'PTC_ERR_STORE_UNAVAILABLE', text: /^store\.url: .*there is no answer.*redis:\/\/ or rediss:\/\// })
  t.match(await refusal(t, `redis://127.0.0.1:${port}`, 1500), { code: 'PTC_ERR_STORE_UNAVAILABLE', text: /^store\.url: .*write rediss:\/\// })
  t.match(await refusal(t, `redis://127.0.0.1:${await findClosedPort()}`, 500), { code: 'PTC_ERR_STORE_UNAVAILABLE', text: /^store\.url: .*nothing listens there.*ECONNREFUSED/ })
  t.match(await refusal(t, 'redis://:correct-horse@redis.invalid', 500), { code: 'PTC_ERR_STORE_UNAVAILABLE', text: /^store\.url: .*cannot be looked up/ })
})

t.test('nodes of a Cluster that tell addresses are accepted by the name that the configuration has for them', async t => {
  const buses = [await findClosedPort(), await findClosedPort()]
  const nodes = await Promise.all(buses.map(async bus => await startTls(t, byName, ['--cluster-enabled', 'yes', '--tls-cluster', 'yes', '--cluster-port', String(bus)])))
  const admins = await Promise.all(nodes.map(({ plain }) => connectAdmin(t, plain)))
  await admins[0]!.call('CLUSTER', 'ADDSLOTSRANGE', '0', '8191')
  await admins[1]!.call('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383')
  await admins[0]!.call('CLUSTER', 'MEET', '127.0.0.1', String(nodes[1]!.port), String(buses[1]))
  for (const admin of admins) await until(async () => String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  const tls = { ca: authority.cert }

  const store = await open(t, { cluster: [nodes[0]!.url], tls })
  for (const subject of ['ada', 'bob', 'eve', 'joe', 'ida', 'max']) t.ok((await store.open(session({ subject }))).record.sid)
  t.equal((await Promise.all(admins.map(async admin => Number(await admin.call('DBSIZE'))))).every(size => size > 0), true, 'both nodes have keys')

  t.match(await refusal(t, { cluster: [nodes[0]!.url] }), final(/^store\.tls\.ca: /))
  t.match(await refusal(t, { cluster: [`rediss://127.0.0.1:${nodes[0]!.port}`], tls }), final(/^store\.cluster: .*for other names/))
  t.match(await refusal(t, nodes[0]!.plain.url), final(/^store\.url: is a node of a Redis Cluster/))
  t.match(await refusal(t, { url: nodes[0]!.plain.url, database: 3 }), final(/^store\.url: is a node of a Redis Cluster/))
})

t.test('a single server is no Cluster, and the error says what to write', async t => {
  const server = await startRedis(t)

  t.match(await refusal(t, { cluster: [server.url] }), final(/^store\.cluster: is not a Redis Cluster; write its address to store\.url/))
})

t.test('a database that the server does not have is refused, and one that it has is used alone', async t => {
  const server = await startRedis(t)
  const admin = await connectAdmin(t, server)

  t.match(await refusal(t, { url: server.url, database: 99 }), final(/^store\.database: Redis has no database of that number/))
  t.equal(await admin.dbsize(), 0, 'nothing was written to another one')

  const store = await open(t, { url: server.url, database: 3 })
  await store.open(session())
  t.equal(await admin.dbsize(), 0)
  await admin.select(3)
  t.ok(await admin.dbsize() > 0)
})

t.test('a password with every special character is taken as it is beside the address', async t => {
  const password = 'correct-horse/#?@%:+&'
  const server = await startRedis(t, ['--requirepass', password])

  t.ok(await open(t, { url: server.url, password }))
  t.ok(await open(t, server.url.replace('//', `//:${encodeURIComponent(password)}@`)))
  t.match(await refusal(t, { url: server.url, password: 'correct-horse-not' }), final(/^store\.url: Redis refuses the user or the password/))
})

t.test('a Redis that is loading its data at the start is waited for, and its wait is told', async t => {
  const folder = t.testdir({})
  const server = await startRedis(t, ['--dir', folder, '--dbfilename', 'dump.rdb'])
  const admin = await connectAdmin(t, server)
  for (let i = 0; i < 2000; i++) await admin.set(`k${i}`, 'x')
  await admin.save()
  await server.stop()
  const slow = await startRedis(t, ['--dir', folder, '--dbfilename', 'dump.rdb', '--key-load-delay', '2000', '--loading-process-events-interval-bytes', '1024'])
  const told: string[] = []

  const store = await createRedisStore({ redis: createRedisClient(slow.url), closeClient: true, timeoutMs: 10_000, connectTimeoutMs: 300, onWait: text => told.push(text) })
  t.teardown(() => store.end())
  t.match(told, [/^store\.url: Redis is loading its data; waiting/])
  t.equal(await store.readKeys(), null)
})
