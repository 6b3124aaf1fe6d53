import fc from 'fast-check'
import t from 'tap'
import type { SessionData } from '../../lib/own-data.ts'
import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import type { ProviderSession } from '../../lib/session/provider-session.ts'
import { createRedisStore } from '../../stores/redis.ts'
import type { OpenSession, RotateOptions, Store } from '../../stores/store.ts'
import { connectAdmin, connectRedis, startRedis } from '../helpers/redis-server.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

const session: OpenSession = {
  subject: 'alice',
  username: 'al ice',
  mode: 'session',
  secretHash: 'hash',
  acr: 'urn:acr:password',
  amr: ['pwd'],
  scopes: [],
  audiences: ['orders'],
  client: { userAgent: '', ip: '192.0.2.1' },
  origin: null,
  absoluteTimeoutMs: 86_400_000,
  maxPerSubject: 3,
  maxTokenAgeMs: 900_000
}
const rotating: RotateOptions = { overlapMs: 10_000, retryWindowMs: 1_800_000, idleTimeoutMs: 1_800_000, maxTokenAgeMs: 900_000 }
const subjects = ['alice', 'corp|alice', 'bob', 'issuer|carol', 'a:b{c}d', '']

const logout = { provider: 'corp', keepJtiForMs: 60_000, keepSidForMs: 900_000, keepForMs: 86_400_000, maxTokenAgeMs: 900_000 }

function provider (number: number): ProviderSession {
  return { name: 'corp', sub: 'alice', sid: `sso ${number}`, idToken: null, claims: {} }
}

interface Command {
  store: Store
  subject: string
  sid: string
  number: number
}

const operations: Array<(command: Command) => Promise<unknown>> = [
  ({ store, subject }) => store.open({ ...session, subject }),
  ({ store, subject }) => store.open({ ...session, subject, mode: 'tokens', secretHash: null }),
  ({ store, sid }) => store.close(sid, { maxTokenAgeMs: 900_000 }),
  ({ store, sid, number }) => store.rotate(sid, number, rotating),
  ({ store, sid, number }) => store.noteReceived(sid, number, rotating),
  ({ store, sid }) => store.touch([{ sid, agoMs: 0 }], rotating),
  ({ store, sid }) => store.renew(sid, { secretHash: 'other', acr: 'a', amr: [] }),
  ({ store, sid, number }) => store.bindDevice(sid, { publicKey: String(number) }),
  ({ store, sid, number }) => store.renewDevice(sid, number),
  ({ store, sid, number }) => store.replaceData(sid, { number } as SessionData),
  ({ store, subject, number }) => store.revokeToken({ issuer: subject, jti: String(number), expiresAtMs: store.nowMs() + 60_000 }),
  ({ store, subject, sid, number }) => store.revokeSubject(subject, { exceptSid: number > 3 ? sid : null, keepForMs: 86_400_000 }),
  ({ store }) => store.revokeAll({ keepForMs: 86_400_000 }),
  ({ store, number }) => store.writeKeys(number, 'sealed'),
  ({ store, number }) => store.putNote(`topic-${number}`, 'name', 'text', 60_000),
  ({ store, number }) => store.useOnce(`name:${number}`, 60_000),
  ({ store, subject, number }) => store.openFromProvider({ ...session, subject, provider: provider(number), authTimeMs: 0, beganAtMs: store.nowMs(), countsFromMs: store.nowMs() }),
  ({ store, sid, number }) => store.renewFromProvider(sid, { secretHash: 'x', acr: '1', amr: [], maxTokenAgeMs: 900_000, provider: provider(number), authTimeMs: 0, beganAtMs: store.nowMs(), countsFromMs: store.nowMs() }),
  ({ store, subject, number }) => store.endProviderSessions({ ...logout, subject: number > 3 ? subject : null, sid: `sso ${number}`, jti: 'a' }),
  ({ store, subject, number }) => store.endProviderSessions({ ...logout, subject, sid: null, jti: String(number) }),
  ({ store, subject }) => store.lastCutMs(subject),
  async ({ store }) => store.pull((await takeSnapshot(store)).position)
]

const command = fc.record({
  operation: fc.nat(operations.length - 1),
  subject: fc.constantFrom(...subjects),
  sid: fc.nat(2),
  number: fc.nat(6)
})

t.test('whatever is done, every key lies in its shard’s slot, and all but the shard’s own end by themselves', async t => {
  const server = await startRedis(t)
  const admin = await connectAdmin(t, server)
  const store = await createRedisStore({ redis: connectRedis(t, server), timeoutMs: 5000 })
  t.teardown(() => store.end())
  const workload = fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 60 }), async commands => {
    for (const { operation, subject, sid, number } of commands) {
      const records = await store.list(subject)
      await operations[operation]?.({ store, subject, sid: records[sid]?.sid ?? 'AAAAAAAAAAAAAAAAAAAAAA', number })
    }
  })

  await t.resolves(fc.assert(workload, { numRuns: 30 }))

  const own: string[] = []
  for (const key of await admin.keys('*')) {
    t.match(key, /^portcullis:\{0\}:((session|subject|index|token|provider|logout):[\w-]{22}|notes:topic-\d|used:name:\d|state|log|revocations|beat|keys)$/)
    if (await admin.pttl(key) === -1) own.push(key.slice('portcullis:{0}:'.length))
  }
  t.strictSame(own.sort(), ['keys', 'log', 'revocations', 'state'])
})

t.test('a subject’s epoch outlives every session and cut that depends on it', async t => {
  const server = await startRedis(t)
  const admin = await connectAdmin(t, server)
  const store = await createRedisStore({ redis: connectRedis(t, server), timeoutMs: 5000 })
  t.teardown(() => store.end())

  const kept = await store.open({ ...session, absoluteTimeoutMs: 30 * 86_400_000 })
  await store.revokeSubject('alice', { exceptSid: kept.record.sid, keepForMs: 60_000 })
  t.ok(await admin.pexpiretime(`portcullis:{0}:subject:${subjectKeyOf('alice')}`) >= kept.record.expiresAtMs)

  const later = await store.open({ ...session, absoluteTimeoutMs: 60 * 86_400_000 })
  t.ok(await admin.pexpiretime(`portcullis:{0}:subject:${subjectKeyOf('alice')}`) >= later.record.expiresAtMs)
  t.ok(await admin.pexpiretime(`portcullis:{0}:index:${subjectKeyOf('alice')}`) >= later.record.expiresAtMs)
})
