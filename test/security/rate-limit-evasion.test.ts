import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { parseList, type Item } from 'structured-headers'
import t from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { bearer } from '../helpers/bearer.ts'
import { password, post, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startRedisGateways } from '../helpers/redis-gateways.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * A budget is got around by whoever can choose what is counted: an address written in another way, a header that names one, a path
 * in another spelling, a credential that is another each time. And a client that is told wrongly when to come back comes too early
 * and uses its next budget up as well, so what the headers say is read here as a client reads it, by a parser of its own.
 */

interface Told { name: unknown, remaining: number, seconds: number, quota: number, window: number }

function read (response: { headers: Headers }): Told {
  const parse = (name: string): Item => {
    const list = parseList(response.headers.get(name) ?? '') as Item[]
    if (list.length !== 1) throw new Error(`${name}: ${list.length} items`)
    return list[0]!
  }
  const [name, standing] = parse('ratelimit')
  const [policy, limits] = parse('ratelimit-policy')
  if (name !== policy) throw new Error(`${String(name)} is no ${String(policy)}`)
  const number = (from: Item[1], key: string): number => {
    const value = from.get(key)
    if (typeof value !== 'number' || !Number.isInteger(value)) throw new Error(`${key}: ${String(value)}`)
    return value
  }
  if ([...standing.keys()].join() !== 'r,t' || [...limits.keys()].join() !== 'q,w') throw new Error('other parameters')
  return { name, remaining: number(standing, 'r'), seconds: number(standing, 't'), quota: number(limits, 'q'), window: number(limits, 'w') }
}

async function startBehindProxy (t: Parameters<typeof startGateway>[0], overrides: Partial<ConfigInput> = {}): Promise<TestGateway> {
  return await startGateway(t, { listen: { trustProxy: ['127.0.0.1'] }, rateLimit: { signIn: { max: 5, window: '1h' }, refresh: { max: 3, window: '1h' } }, ...overrides })
}

const guess = async (url: string, address: string, username: string) => await post(`${url}/auth/login`, { username, password: 'guess' }, { 'x-forwarded-for': address })
const tally = (statuses: number[]) => Object.fromEntries([...new Set(statuses)].sort().map(status => [status, statuses.filter(other => other === status).length]))

t.test('a thousand answers of a budget say the same of it in structured fields, and never too early an end', async t => {
  const { url } = await startGateway(t, { rateLimit: { signIn: { max: 300, window: '1h' } } })
  const statuses: number[] = []
  let last = Infinity
  for (let index = 0; index < 1000; index++) {
    const response = await post(`${url}/auth/login`, { username: `user-${index}`, password: 'guess' })
    const { name, remaining, seconds, quota, window } = read(response)
    statuses.push(response.status)
    const isRefused = response.status === 429
    const retryAfter = response.headers.get('retry-after')
    if (name !== 'signIn' || quota !== 300 || window !== 3600 || remaining !== Math.max(0, 299 - index) || seconds < 1 || seconds > 3600 || seconds > last) t.fail(`${index}: ${response.headers.get('ratelimit')}`)
    if (isRefused !== (index >= 300) || isRefused !== (retryAfter !== null)) t.fail(`${index}: ${response.status} ${retryAfter}`)
    if (isRefused && (!/^[1-9]\d*$/.test(retryAfter ?? '') || Number(retryAfter) < seconds)) t.fail(`${index}: Retry-After ${retryAfter} before ${seconds}`)
    last = seconds
    await response.arrayBuffer()
  }
  t.same(tally(statuses), { 401: 300, 429: 700 })
})

t.test('every budget tells its name, and the refusal is the documented problem', async t => {
  const up = await startUpstream(t)
  const { url } = await startGateway(t, { rateLimit: { signIn: { max: 2, window: '1h' }, refresh: { max: 1, window: '1m' } }, upstreams: [{ prefix: '/orders', target: up.url, audience: 'orders', rateLimit: { max: 1, window: '10s' } }] })
  const { cookie, token } = await signInForTokens(url)
  const session = await signIn(url)
  const budgets: Array<[ask: () => Promise<Response>, name: string, quota: number, window: number]> = [
    [async () => await post(`${url}/auth/login`, { username: 'ada', password }), 'signIn', 2, 3600],
    [async () => await post(`${url}/auth/refresh`, undefined, { cookie }), 'refresh', 1, 60],
    [async () => await fetch(`${url}/orders`, { headers: bearer(token) }), '/orders', 1, 10],
    [async () => await fetch(`${url}/orders`, { headers: { cookie: session.cookie } }), '/orders', 1, 10]
  ]
  for (const [ask, name, quota, window] of budgets) {
    let refused = await ask()
    if (refused.status !== 429) refused = await ask()
    t.match(read(refused), { name, remaining: 0, quota, window })
    t.ok(Number(refused.headers.get('retry-after')) >= read(refused).seconds)
    await assertProblem(t, refused, 429, 'PTC_ERR_RATE_LIMITED', name)
    t.same(refused.headers.getSetCookie(), [])
  }
})

t.test('all addresses of an IPv6 network, in every spelling, are one client, and neighbours are others', async t => {
  const { url } = await startBehindProxy(t)
  const spellings = ['2001:db8:1:2::1', '2001:DB8:1:2::2', '2001:0db8:0001:0002:0000:0000:0000:0003', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2:0:0:192.0.2.1', '2001:db8:1:2:a:b:c:d', '2001:db8:1:2:1::', '2001:db8:1:2::']
  const statuses: number[] = []
  for (const [index, address] of spellings.entries()) statuses.push((await guess(url, address, `user-${index}`)).status)
  t.same(tally(statuses), { 401: 5, 429: 3 })
  for (const [index, address] of ['2001:db8:1:3::1', '2001:db8:1:1::1', '2001:db9:1:2::1', '::1', '192.0.2.1'].entries()) t.equal((await guess(url, address, `other-${index}`)).status, 401, address)

  const mapped: number[] = []
  for (const [index, address] of ['192.0.2.77', '::ffff:192.0.2.77', '::FFFF:192.0.2.77', '::ffff:c000:24d', '0:0:0:0:0:ffff:c000:024d', '192.0.2.77'].entries()) mapped.push((await guess(url, address, `mapped-${index}`)).status)
  t.same(tally(mapped), { 401: 5, 429: 1 }, 'an IPv4 address in IPv6 is that address')
})

t.test('an IPv4 address is one client in every spelling, also embedded in IPv6, and its neighbour is another', async t => {
  const { url } = await startBehindProxy(t)
  const spellings = ['9.9.9.9', '::ffff:9.9.9.9', '::ffff:0909:0909', '0:0:0:0:0:ffff:9.9.9.9', '0:0:0:0:0:FFFF:9.9.9.9', '[0:0:0:0:0:ffff:9.9.9.9]:80', '9.9.9.9:4711', '009.009.009.009', '64:ff9b::9.9.9.9', '2002:909:909::1', '2002:909:909:ffff::1']
  for (const [index, from] of spellings.entries()) {
    const { status } = await post(`${url}/auth/login`, { username: `ada ${index}`, password: 'wrong' }, { 'x-forwarded-for': from })
    t.equal(status, index < 5 ? 401 : 429, from)
  }
  t.equal((await post(`${url}/auth/login`, { username: 'ada', password: 'wrong' }, { 'x-forwarded-for': '0:0:0:0:0:ffff:9.9.9.8' })).status, 401)
})

t.test('no header of somebody who is no proxy of ours names an address', async t => {
  const { url } = await startBehindProxy(t, { listen: {} })
  const headers: Array<(index: number) => Record<string, string>> = [
    index => ({ 'x-forwarded-for': `192.0.2.${index}` }), index => ({ forwarded: `for=192.0.2.${index}` }), index => ({ 'x-real-ip': `192.0.2.${index}` }), index => ({ 'x-client-ip': `192.0.2.${index}` }),
    index => ({ 'cf-connecting-ip': `192.0.2.${index}` }), index => ({ 'true-client-ip': `192.0.2.${index}` }), index => ({ 'x-forwarded-host': `${index}.example.com` }), index => ({ 'x-forwarded-for': `127.0.0.1, 192.0.2.${index}` }), index => ({ 'user-agent': `agent ${index}` }), index => ({ cookie: `a=${index}` })
  ]
  const statuses: number[] = []
  for (const [index, make] of headers.entries()) statuses.push((await post(`${url}/auth/login`, { username: `user-${index}`, password: 'guess' }, make(index))).status)
  t.same(tally(statuses), { 401: 5, 429: 5 })
})

t.test('forged refresh tokens and guesses at step-up are counted wherever in a network they come from', async t => {
  const { url } = await startBehindProxy(t)
  const { cookie } = await signInForTokens(url)
  const forged = () => `${cookie.slice(0, -30)}${randomBytes(22).toString('base64url').slice(0, 30)}`
  const refreshes: number[] = []
  for (let index = 0; index < 10; index++) refreshes.push((await post(`${url}/auth/refresh`, undefined, { cookie: forged(), 'x-forwarded-for': `2001:db8:5:6:${index}::1` })).status)
  t.same(tally(refreshes), { 401: 3, 429: 7 })

  const session = (await post(`${url}/auth/login`, { username: 'ada', password }, { 'x-forwarded-for': '198.51.100.1' })).headers.getSetCookie()[0]!.split(';')[0]!
  const guesses: number[] = []
  for (let index = 0; index < 10; index++) guesses.push((await post(`${url}/auth/step-up`, { password: 'guess' }, { cookie: index % 2 === 0 ? session : cookie, 'x-forwarded-for': `192.0.2.${index}` })).status)
  t.same(tally(guesses), { 401: 5, 429: 5 }, 'by the account, in both modes together')
})

t.test('a token of a session that goes on, or has ended, or is asked too much of, is good for one budget of refreshes', async t => {
  const { url, app, store } = await startBehindProxy(t)
  const refreshes = async (cookie: string, body?: object): Promise<number[]> => {
    const statuses: number[] = []
    for (let index = 0; index < 8; index++) statuses.push((await post(`${url}/auth/refresh`, body, { cookie, 'x-forwarded-for': `192.0.2.${index}` })).status)
    return statuses
  }
  const { cookie: going } = await signInForTokens(url)
  t.same(tally(await refreshes(going)), { 200: 3, 429: 5 })

  const { cookie: ended } = await signInForTokens(url)
  const { sid } = (await store.list('ada'))[0]!
  await app.portcullis.blocklist.revoke({ sid })
  t.same(tally(await refreshes(ended)), { 401: 3, 429: 5 })

  const narrow = await post(`${url}/auth/login`, { username: 'ada', password, mode: 'tokens', audience: ['orders'] }, { 'x-forwarded-for': '198.51.100.9' })
  t.same(tally(await refreshes(narrow.headers.getSetCookie()[0]!.split(';')[0]!, { audience: ['billing'] })), { 400: 3, 429: 5 })
})

t.test('no spelling of a path, a name or a body is a budget of its own', async t => {
  const up = await startUpstream(t)
  const { url } = await startBehindProxy(t, { upstreams: [{ prefix: '/orders', target: up.url, audience: 'orders', rateLimit: { max: 5, window: '1h' } }] })
  const { token } = await signInForTokens(url)
  const paths = ['/orders', '/orders/', '/orders?x=1', '/%6frders', '/order%73/x', '/orders/a/b/c', '/orders/%C3%A9', '/orders#x']
  const statuses: number[] = []
  for (const path of paths) statuses.push((await fetch(`${url}${path}`, { headers: bearer(token) })).status)
  t.same(tally(statuses), { 200: 5, 429: 3 })
  const { token: another } = await signInForTokens(url)
  t.equal((await fetch(`${url}/orders`, { headers: bearer(another) })).status, 429, 'another token of the same subject')

  const names = ['eve', 'EVE', ' eve', 'e\u200bve', 'Eve\t', '\uff45ve', 'ev\u0000E', '\u00e9Ve']
  const guesses: number[] = []
  for (const [index, username] of names.entries()) guesses.push((await guess(url, `192.0.2.${100 + index}`, username)).status)
  t.same(tally(guesses), { 401: 5, 429: 3 })
})

t.test('while the counters cannot be reached nobody signs in, and nothing that is counted is let through', async t => {
  const redis = await startRedis(t)
  const looked: string[] = []
  const up = await startUpstream(t)
  const [gateway] = await startRedisGateways(t, redis, 1, {
    store: { type: 'redis', url: redis.url, timeout: '1s' },
    revocation: { staleFor: '1h' },
    identity: async ({ username }: { username: string }) => { looked.push(username); return { subject: username, scopes: [] } },
    upstreams: [{ prefix: '/orders', target: up.url, audience: 'orders', rateLimit: { max: 1000, window: '1h' } }]
  })
  const { url } = gateway!
  const { token, cookie } = await signInForTokens(url)
  t.equal((await fetch(`${url}/orders`, { headers: bearer(token) })).status, 200)
  await redis.stop()
  looked.length = 0
  const before = up.requests.length

  const answers = await Promise.all(Array.from({ length: 60 }, async (_, index) => {
    if (index % 3 === 0) return await post(`${url}/auth/login`, { username: `user-${index}`, password })
    return index % 3 === 1 ? await post(`${url}/auth/refresh`, undefined, { cookie }) : await fetch(`${url}/orders`, { headers: bearer(token) })
  }))

  for (const answer of answers) await assertProblem(t, answer, 503, 'PTC_ERR_STORE_UNAVAILABLE')
  t.same([looked, up.requests.length], [[], before])
})

t.test('without the window having ended no mixture of attempts gets more than a budget', async t => {
  const { url } = await startBehindProxy(t)
  let network = 0
  await fc.assert(fc.asyncProperty(fc.array(fc.record({ host: fc.nat(0xffff), right: fc.boolean(), mode: fc.constantFrom('session', 'tokens') }), { minLength: 6, maxLength: 20 }), async attempts => {
    const prefix = `2001:db8:${(++network).toString(16)}:1`
    const answers = await Promise.all(attempts.map(async ({ host, right, mode }, index) => (await post(`${url}/auth/login`, { username: `${network}-${index}`, password: right ? password : 'guess', mode }, { 'x-forwarded-for': `${prefix}:${host.toString(16)}::1` })).status))
    return answers.filter(status => status !== 429).length === 5
  }), { numRuns: 20 })
})
