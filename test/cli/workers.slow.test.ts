import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { asAdmin, scrape } from '../helpers/admin.ts'
import { post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { editUsers, runMain, runPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { startWorkers, status, statuses } from '../helpers/workers.ts'

/** The processes that have answered for /up, by the log. */
function serving (output: string): Set<number> {
  return new Set(output.split('\n').filter(line => line.includes('"path":"/up"')).map(line => (JSON.parse(line) as { pid: number }).pid))
}

for (const type of ['sqlite', 'redis']) {
  t.test(`what one worker opens is good at all of them, and what one ends is refused by all (${type})`, async t => {
    const store = type === 'redis' ? { type, url: (await startRedis(t)).url, timeout: '30s' } : { type, path: './portcullis.db', timeout: '30s' }
    const gateway = await startWorkers(t, 2, { store, secret: randomBytes(32).toString('base64url') })
    const { cookie } = await signIn(gateway.url)
    const tokens = await signInForTokens(gateway.url, 'bob')
    const bearer = { authorization: `Bearer ${tokens.token}` }

    t.same(await statuses(`${gateway.url}/up`, { cookie }), new Set([200]))
    t.same(await statuses(`${gateway.url}/up`, bearer), new Set([200]))
    await untilTrue(async () => serving(gateway.output.stdout).size === 2, 5)

    t.equal((await post(`${gateway.url}/auth/logout`, undefined, { cookie })).status, 204)
    t.equal((await post(`${gateway.url}/auth/logout`, undefined, bearer)).status, 204)
    await untilTrue(async () => !(await statuses(`${gateway.url}/up`, { cookie })).has(200))
    await untilTrue(async () => !(await statuses(`${gateway.url}/up`, bearer)).has(200))
    t.same(await statuses(`${gateway.url}/up`, { cookie }), new Set([401]))
    t.same(await statuses(`${gateway.url}/up`, bearer), new Set([401]))

    t.equal((await gateway.end()).code, 0)
  })
}

t.test('the listener of operators tells what all workers count, and revokes at all of them', async t => {
  const gateway = await startWorkers(t, 2)
  const { cookie } = await signIn(gateway.url)
  await Promise.all(Array.from({ length: 20 }, async () => await status(`${gateway.url}/auth/login`, {})))
  await statuses(`${gateway.url}/up`, { cookie }, 20)

  const { value } = await scrape(gateway.admin)
  t.equal(value('portcullis_sessions_opened_total'), 1)
  t.equal(value('portcullis_upstream_requests_total{upstream="/up",status="200"}'), 20)
  t.equal(value('portcullis_streams_open'), 0)
  const { sessions } = await (await fetch(`${gateway.admin}/admin/sessions?subject=ada`, { headers: asAdmin })).json() as { sessions: object[] }
  t.equal(sessions.length, 1)

  t.equal((await post(`${gateway.admin}/admin/revocations`, { subject: 'ada' }, asAdmin)).status, 202)
  await untilTrue(async () => !(await statuses(`${gateway.url}/up`, { cookie })).has(200))
  t.same(await statuses(`${gateway.url}/up`, { cookie }), new Set([401]))
})

t.test('a stream at one worker ends when its session is ended at another', async t => {
  const events = await startUpstream(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
  })
  const gateway = await startWorkers(t, 2, { upstreams: [{ prefix: '/events', target: events.url, audience: 'events' }] })
  const { cookie } = await signIn(gateway.url)
  const streams = await Promise.all(Array.from({ length: 6 }, async () => await fetch(`${gateway.url}/events`, { headers: { cookie } })))
  const ends = streams.map(async ({ body }) => { await text(body!).catch(() => 'cut') })

  await post(`${gateway.url}/auth/logout`, undefined, { cookie })

  await t.resolves(Promise.all(ends))
})

t.test('a user who is removed from the file is signed out at every worker, by one revocation', async t => {
  const gateway = await startWorkers(t, 2)
  const { cookie } = await signIn(gateway.url)
  t.same(await statuses(`${gateway.url}/up`, { cookie }), new Set([200]))

  await editUsers(gateway.users, users => users.shift())
  await untilTrue(async () => !(await statuses(`${gateway.url}/up`, { cookie })).has(200), 20)

  const revocations = gateway.output.stdout.split('\n').filter(line => line.includes('"event":"revocation.added"'))
  t.equal(revocations.length, 1)
})

t.test('what is wrong with the configuration is said once', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => { taken.close() })
  const { port } = taken.address() as AddressInfo
  const { config } = await writeConfig(t, { listen: { host: '127.0.0.1', port } })

  const { code, stderr } = await runPortcullis(t, ['start', '--config', config, '--workers', '3'])

  t.equal(code, 1)
  t.match(stderr, /^listen: 127\.0\.0\.1:\d+ cannot be listened on \(EADDRINUSE\); choose another port, or end what uses it\n$/)
})

t.test('workers that cannot reach the store end, and the setting is named once', async t => {
  const { config } = await writeConfig(t, { store: { type: 'redis', url: 'redis://127.0.0.1:1' }, secret: randomBytes(32).toString('base64url') })

  const { code, stderr } = await runPortcullis(t, ['start', '--config', config, '--workers', '2'])

  t.equal(code, 1)
  t.match(stderr, /^store\.url: Redis cannot be reached: [^\n]+\n$/)
})

t.test('a store in memory is refused for more than one worker', async t => {
  const { config } = await writeConfig(t, { store: { type: 'sqlite', path: ':memory:' } })

  const { code, stderr } = await runPortcullis(t, ['start', '--config', config, '--workers', '2'])

  t.equal(code, 1)
  t.match(stderr, /^store\.path: :memory: belongs to one process alone; give the store a file/)
})

t.test('a number of workers that is none is wrong usage', async t => {
  for (const workers of ['0', '65', '-1', 'two', '1.5']) {
    const { code, stderr } = await runMain(['start', '--config', 'none.yaml', '--workers', workers])
    t.equal(code, 2, workers)
    t.match(stderr, /^--workers: must be a whole number from 1 to 64/)
  }
})
