import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { recordEvents, until } from '../helpers/build-app.ts'
import { password, post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { refresh } from '../helpers/refresh.ts'
import { connectAdmin } from '../helpers/redis-server.ts'
import { checkHistory } from './check-history.ts'
import { History } from './history.ts'
import { startLoad } from './load.ts'
import { startFaultyRedis, type FaultyRedis } from './redis-gateways.ts'

/*
 * Redis speaks, but it says no: too many clients, a password that nobody told, a data set that is still being read, a script that does
 * not end, a disk that is full. Or nobody is there, or connections break as soon as they are made. Each is an outage like any other:
 * 503, nobody loses a cookie, one line in the log, and it is over when it is over.
 */

interface Refusal {
  begin (parts: FaultyRedis & { admin: Redis }): Promise<void>
  end (parts: FaultyRedis & { admin: Redis }): Promise<void>
}

/** Ends the connections of everybody else; what comes back is new. */
const dropClients = async (admin: Redis): Promise<void> => { await admin.call('CLIENT', 'KILL', 'TYPE', 'NORMAL', 'SKIPME', 'YES') }

const refusals: Record<string, Refusal> = {
  'nobody listens': {
    begin: async ({ proxy }) => { await proxy.refuse(true) },
    end: async ({ proxy }) => { await proxy.refuse(false) }
  },
  'every client has a place but ours': {
    async begin ({ admin }) {
      await admin.config('SET', 'maxclients', '1')
      await dropClients(admin)
    },
    end: async ({ admin }) => { await admin.config('SET', 'maxclients', '1000') }
  },
  'a password is needed that nobody has': {
    async begin ({ admin }) {
      await admin.config('SET', 'requirepass', 'not told to anybody')
      await dropClients(admin)
    },
    end: async ({ admin }) => { await admin.config('SET', 'requirepass', '') }
  },
  'a script does not end': {
    async begin ({ admin }) {
      await admin.config('SET', 'busy-reply-threshold', '100')
      const busy = admin.duplicate()
      await once(busy, 'ready')
      busy.on('error', () => {})
      busy.eval('while true do end', 0).catch(() => {}).finally(() => { busy.disconnect() })
      await until(async () => await admin.ping().then(() => false, error => /^BUSY/.test(String((error as Error).message))))
    },
    end: async ({ admin }) => { await admin.call('SCRIPT', 'KILL') }
  },
  'the disk is full': {
    async begin ({ admin }) {
      const folder = await mkdtemp(join(tmpdir(), 'portcullis-full-'))
      await admin.config('SET', 'dir', folder)
      await admin.config('SET', 'save', '3600 1')
      await rm(folder, { recursive: true })
      await admin.bgsave().catch(() => {})
      await until(async () => await admin.set('probe', '1').then(() => false, error => /^MISCONF/.test(String((error as Error).message))))
    },
    end: async ({ admin }) => {
      await admin.config('SET', 'stop-writes-on-bgsave-error', 'no')
    }
  }
}

for (const [what, refusal] of Object.entries(refusals)) {
  t.test(`while ${what} it is 503, said once, and over by itself`, async t => {
    const parts = await startFaultyRedis(t, { timeout: '300ms', args: ['--enable-protected-configs', 'yes'] })
    const admin = await connectAdmin(t, parts.redis)
    const { gateway: { app, url } } = parts
    const events = recordEvents(t)
    const [session, tokens, ended] = [await signIn(url), await signInForTokens(url), await signIn(url)]
    await post(`${url}/auth/logout`, undefined, { cookie: ended.cookie })

    await refusal.begin({ ...parts, admin })
    await until(() => !app.portcullis.health.isReady())
    for (let round = 0; round < 10; round++) {
      for (const ask of [
        async () => await fetch(`${url}/up`, { headers: { cookie: session.cookie } }),
        async () => await fetch(`${url}/strict`, { headers: bearer(tokens.token) }),
        async () => await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie }),
        async () => await post(`${url}/auth/login`, { username: 'ada', password }),
        async () => await post(`${url}/auth/logout`, undefined, { cookie: session.cookie })
      ]) await assertProblem(t, await ask(), 503, 'PTC_ERR_STORE_UNAVAILABLE')
      t.equal((await fetch(`${url}/open`)).status, 200)
      t.equal((await fetch(`${url}/up`, { headers: { cookie: ended.cookie } })).status === 200, false)
    }

    await refusal.end({ ...parts, admin })
    await until(async () => (await fetch(`${url}/strict`, { headers: bearer(tokens.token) })).status === 200)
    await until(() => app.portcullis.health.isReady())
    t.equal((await fetch(`${url}/up`, { headers: { cookie: session.cookie } })).status, 200)
    t.equal((await fetch(`${url}/up`, { headers: { cookie: ended.cookie } })).status, 401)
    t.match(await refresh(url, tokens.cookie), { status: 200, answer: { session: { sid: tokens.sid } } })
    const changes = events.map(({ event }) => event).filter(event => event.startsWith('store.')).sort()
    t.ok(changes.length >= 2 && changes.length <= 8, `${changes.length} lines for two gateways`)
    t.notOk(events.some(({ event }) => event === 'refresh.reused'))
    t.equal(parts.echo.unidentified, 0)
  })
}

t.test('while the data set is being read after a restart it is 503, and then everything is there', async t => {
  const parts = await startFaultyRedis(t, { timeout: '300ms', args: ['--appendonly', 'yes', '--appendfsync', 'always', '--key-load-delay', '5000', '--loading-process-events-interval-bytes', '1024'] })
  const { gateway: { url }, redis } = parts
  const people = await Promise.all(Array.from({ length: 50 }, async (_, index) => await signInForTokens(url, `user-${index}`)))
  const admin = await connectAdmin(t, redis)
  await admin.bgrewriteaof()
  await until(async () => /aof_rewrite_in_progress:0/.test(await admin.info('persistence')) && /aof_rewrites:1/.test(await admin.info('persistence')))

  await redis.stop()
  await redis.start()
  let loading = 0
  await until(async () => {
    const status = (await post(`${url}/auth/refresh`, undefined, { cookie: people[0]!.cookie })).status
    if (status === 503) loading++
    else t.equal(status, 200)
    return status === 200
  })

  t.comment(`${loading} refreshes were to be repeated`)
  t.ok(loading > 0)
  for (const { cookie, sid } of people.slice(1)) t.match(await refresh(url, cookie), { status: 200, answer: { session: { sid } } })
})

t.test('connections that are reset all the time cost nobody their session', async t => {
  const { proxy, urls, echo } = await startFaultyRedis(t, { timeout: '2s' })
  const history = new History()
  const load = startLoad({ history, gateways: urls, refreshEveryMs: 50 })

  for (let storm = 0; storm < 100; storm++) {
    await sleep(Math.random() * 80)
    proxy.reset()
    if (storm % 10 === 0) proxy.halfClose()
  }
  await load.stop()

  t.same(await load.sweep(), [])
  t.same(checkHistory(history.operations, { stalenessMs: 2000 }), [])
  t.ok(history.operations.some(({ outcome }) => outcome === 'unknown'))
  t.ok(proxy.accepted < 1000, `${proxy.accepted} connections were made`)
  t.equal(echo.unidentified, 0)
})
