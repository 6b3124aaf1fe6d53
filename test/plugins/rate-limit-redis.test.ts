import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { buildGateway } from '../../gateway/gateway.ts'
import { recordEvents } from '../helpers/build-app.ts'
import { origin, password, post, setCookies, signInForTokens } from '../helpers/build-gateway.ts'
import { settlesWithin } from '../helpers/patience.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { assertProblem } from '../helpers/problem.ts'
import { connectAdmin, startRedis } from '../helpers/redis-server.ts'
import { startUpstream } from '../helpers/upstream.ts'

const timeoutMs = 300

/** Gateways that share one Redis, one upstream and one secret. A window is longer than a test takes on a slow machine, where it is not to end. */
async function startGateways (t: Test, redis: { url: string }, count: number, window = '1m'): Promise<{ urls: string[], looked: string[] }> {
  const upstream = await startUpstream(t)
  const secret = randomBytes(32).toString('base64url')
  const looked: string[] = []
  const urls: string[] = []
  for (let index = 0; index < count; index++) {
    const app = await buildGateway({
      origin,
      listen: { trustProxy: ['127.0.0.1'] },
      store: { type: 'redis', url: redis.url, timeout: `${timeoutMs}ms` },
      secret,
      log: { level: 'silent' },
      // Requests go on past an outage here, so that what fails is the budget alone.
      revocation: { staleFor: '1m' },
      rateLimit: { signIn: { max: 10, window }, refresh: { max: 4, window: '1m' } },
      identity: async ({ username, password: given }: { username: string, password: string }) => {
        looked.push(username)
        return given === password ? { subject: username, scopes: [] } : null
      },
      upstreams: [
        { prefix: '/orders', target: upstream.url, audience: 'orders', rateLimit: { max: 4, window: '1m' } },
        { prefix: '/free', target: upstream.url, audience: 'free' }
      ]
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    t.teardown(async () => {
      app.server.closeAllConnections()
      await app.close()
    })
    urls.push(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  }
  return { urls, looked }
}

async function guess (url: string, username: string, address: string, guessed = 'guess'): Promise<Response> {
  return await post(`${url}/auth/login`, { username, password: guessed }, { 'x-forwarded-for': address })
}

const spread = async (urls: string[], count: number, request: (url: string, index: number) => Promise<Response>): Promise<Response[]> =>
  await Promise.all(Array.from({ length: count }, async (_, index) => await request(urls[index % urls.length]!, index)))
const countOf = (responses: Response[], status: number): number => responses.filter(response => response.status === status).length

t.test('gateways on one Redis share the attempts of an address, and tell of it once', async t => {
  const events = recordEvents(t)
  const { urls, looked } = await startGateways(t, await startRedis(t), 2)

  const answers = await spread(urls, 40, async (url, index) => await guess(url, `user-${index}`, '192.0.2.1'))

  t.strictSame([countOf(answers, 401), countOf(answers, 429), looked.length], [10, 30, 10])
  t.strictSame(events.filter(({ event }) => event === 'rate.limited').map(({ outcome }) => outcome), ['signIn'])
  const refused = answers.find(({ status }) => status === 429)!
  t.match(Object.fromEntries(refused.headers), { 'retry-after': /^(?:60|[45]\d)$/, ratelimit: /^"signIn";r=0;t=(?:60|[45]\d)$/, 'ratelimit-policy': '"signIn";q=10;w=60' })
})

t.test('gateways on one Redis share the failures of an account, until the window ends', async t => {
  const { urls, looked } = await startGateways(t, await startRedis(t), 2, '5s')

  await spread(urls, 40, async (url, index) => await guess(url, 'ada', `192.0.2.${index}`))
  t.equal(looked.length, 10)

  let address = 0
  t.equal((await guess(urls[0]!, 'ada', '198.51.100.0', password)).status, 429)
  await untilTrue(async () => (await guess(urls[1]!, 'ada', `198.51.100.${++address}`, password)).status === 200, 100)
})

t.test('right passwords do not use the account\'s budget up', async t => {
  const { urls } = await startGateways(t, await startRedis(t), 1)

  for (let index = 0; index < 25; index++) t.equal((await guess(urls[0]!, 'ada', `192.0.2.${index}`, password)).status, 200)
})

t.test('gateways on one Redis share the requests of a subject and the refreshes of a session', async t => {
  const { urls } = await startGateways(t, await startRedis(t), 2)
  const { token, cookie } = await signInForTokens(urls[0]!, 'ada')

  const requests = await spread(urls, 9, async url => await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } }))
  const refreshes = await spread(urls, 9, async url => await post(`${url}/auth/refresh`, undefined, { cookie }))

  t.strictSame([countOf(requests, 200), countOf(requests, 429)], [4, 5])
  t.strictSame([countOf(refreshes, 200), countOf(refreshes, 429)], [4, 5])
})

t.test('refreshes that go on over their budget write nothing', async t => {
  const server = await startRedis(t)
  const { urls: [url = ''] } = await startGateways(t, server, 1)
  const redis = await connectAdmin(t, server)
  const { cookie } = await signInForTokens(url, 'ada')
  const refresh = async (): Promise<number> => (await post(`${url}/auth/refresh`, undefined, { cookie })).status
  const written = async (): Promise<number> => Number(/cmdstat_hset:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1])
  // The first one over the budget and the one after it are told apart.
  for (const status of [200, 200, 200, 200, 429, 429]) t.equal(await refresh(), status)
  // That a refresh was received is written after its answer.
  let before = -1
  await untilTrue(async () => {
    const last = before
    before = await written()
    return before === last
  }, 200)
  t.ok(before > 0, 'writes are counted')

  for (let more = 0; more < 5; more++) t.equal(await refresh(), 429)

  t.equal(await written(), before)
})

t.test('the counters have names of their own, end with their window and name nobody who signs in', async t => {
  const server = await startRedis(t)
  const { urls: [url = ''] } = await startGateways(t, server, 1)
  const redis = await connectAdmin(t, server)
  await guess(url, 'ada', '2001:db8:1:2::7')

  const names = (await redis.keys('*rate*')).sort()

  t.equal(names.length, 2)
  t.match(names[0], /^portcullis:rate:signIn:account [\w-]{43}$/)
  t.equal(names[1], 'portcullis:rate:signIn:address 2001:db8:1:2::/64')
  for (const name of names) t.ok((await redis.pttl(name)) > 0, name)
})

for (const [what, happens] of [['hangs', 'pause'], ['is gone', 'stop']] as const) {
  t.test(`when Redis ${what}, whatever has a budget is refused in time, and nothing is let through`, async t => {
    const server = await startRedis(t)
    const { urls: [url = ''], looked } = await startGateways(t, server, 1)
    const { token, cookie } = await signInForTokens(url, 'ada')
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await fetch(`${url}/free`, { headers })).status, 200)
    looked.length = 0

    await server[happens]()
    const answered = Promise.all([
      guess(url, 'ada', '192.0.2.1', password),
      guess(url, 'bob', '192.0.2.2'),
      post(`${url}/auth/refresh`, undefined, { cookie }),
      fetch(`${url}/orders`, { headers })
    ])

    t.ok(await settlesWithin(timeoutMs + 700, answered))
    for (const answer of await answered) {
      await assertProblem(t, answer, 503, 'PTC_ERR_STORE_UNAVAILABLE')
      t.strictSame(setCookies(answer), {})
    }
    t.strictSame(looked, [])
    t.equal((await fetch(`${url}/free`, { headers })).status, 200, 'a service without a budget')
    server.resume()
  })
}
