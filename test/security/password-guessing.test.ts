import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { recordEvents } from '../helpers/build-app.ts'
import { password, post, setCookies, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * Passwords are guessed: many for one account, one for many accounts, from one machine or from many, and as many at once as
 * there are connections. Guessers hide their address behind headers, or take a new one out of their IPv6 network for each guess.
 */
/** Windows that are longer than a test takes on a slow machine. */
const counted = { signIn: { max: 5, window: '1h' }, refresh: { max: 3, window: '1h' } }

/** A gateway behind a proxy on this machine, that says where each request comes from; it counts which passwords are looked at. */
async function startGuessed (t: Test, overrides: Partial<ConfigInput> = {}): Promise<TestGateway & { looked: string[] }> {
  const looked: string[] = []
  const identity = async (given: { username: string, password: string }) => {
    looked.push(given.username)
    return given.password === password && !given.username.startsWith('nobody') ? { subject: given.username, scopes: ['orders:read'] } : null
  }
  return { ...await startGateway(t, { rateLimit: counted, listen: { trustProxy: ['127.0.0.1'] }, identity, ...overrides }), looked }
}

async function guess (url: string, username: string, address: string, guessed = 'guess'): Promise<Response> {
  return await post(`${url}/auth/login`, { username, password: guessed }, { 'x-forwarded-for': address })
}

async function many (count: number, request: (index: number) => Promise<Response>): Promise<Response[]> {
  return await Promise.all(Array.from({ length: count }, async (_, index) => await request(index)))
}

const statusesOf = (responses: Response[]): number[] => responses.map(({ status }) => status).sort()

t.test('by default ten attempts a minute come from one address', async t => {
  const { url } = await startGateway(t, { rateLimit: {} })

  const answers = await many(25, async index => await post(`${url}/auth/login`, { username: `user-${index}`, password: 'guess' }))

  t.strictSame(statusesOf(answers), [...Array.from({ length: 10 }, () => 401), ...Array.from({ length: 15 }, () => 429)])
})

t.test('one password for many accounts is refused by the address, and no more are looked at', async t => {
  const { url, looked } = await startGuessed(t)

  await many(40, async index => await guess(url, `user-${index}`, '192.0.2.1'))

  t.equal(looked.length, 5)
  t.equal((await guess(url, 'ada', '192.0.2.2', password)).status, 200)
})

t.test('guesses at one account from many addresses at once are no more than its budget', async t => {
  const { url, looked } = await startGuessed(t)

  const answers = await many(40, async index => await guess(url, 'ada', `192.0.2.${index}`))

  t.equal(looked.length, 5)
  t.strictSame(statusesOf(answers), [...Array.from({ length: 5 }, () => 401), ...Array.from({ length: 35 }, () => 429)])
  t.equal((await guess(url, 'bob', '192.0.2.7', password)).status, 200, 'another account from the same address')
})

t.test('an account that exists is refused in the same words as one that does not', async t => {
  const { url } = await startGuessed(t)
  const bodies: string[] = []

  for (const [index, username] of ['ada', 'nobody'].entries()) {
    await many(5, async at => await guess(url, username, `198.51.${index}.${at}`))
    const refused = await guess(url, username, `198.51.${index}.99`, password)
    t.match(Object.fromEntries(refused.headers), { ratelimit: /^"signIn";r=0;t=(?:3600|35\d\d)$/, 'ratelimit-policy': '"signIn";q=5;w=3600' })
    bodies.push(await assertProblem(t, refused, 429, 'PTC_ERR_RATE_LIMITED'))
    t.strictSame(setCookies(refused), {})
  }

  t.equal(bodies[0], bodies[1])
})

t.test('the right password is refused until the window of failures ends, and then signs in', async t => {
  const { url } = await startGuessed(t, { rateLimit: { signIn: { max: 2, window: '3s' } } })
  await many(2, async index => await guess(url, 'ada', `192.0.2.${index}`))

  const refused = await guess(url, 'ada', '198.51.100.1', password)
  t.equal(refused.status, 429)
  t.match(refused.headers.get('retry-after'), /^[123]$/)

  let address = 2
  await untilTrue(async () => (await guess(url, 'ada', `198.51.100.${address++}`, password)).status === 200, 100)
})

t.test('a new address out of the same IPv6 /64 for each guess is the same client', async t => {
  const { url, looked } = await startGuessed(t)

  await many(20, async index => await guess(url, `user-${index}`, `2001:db8:1:2:${index.toString(16)}::1`))

  t.equal(looked.length, 5)
})

t.test('an X-Forwarded-For of somebody who is no trusted proxy changes nothing', async t => {
  const { url, looked } = await startGuessed(t, { listen: {} })

  await many(20, async index => await guess(url, `user-${index}`, `192.0.2.${index}`))

  t.equal(looked.length, 5)
})

t.test('behind a trusted proxy only what it added itself is the address', async t => {
  const { url, looked } = await startGuessed(t)

  await many(20, async index => await guess(url, `user-${index}`, `203.0.113.${index}, 192.0.2.1`))

  t.equal(looked.length, 5)
})

t.test('what is refused before a password would be looked at does not use the budget up', async t => {
  const { url } = await startGuessed(t)

  await many(10, async () => await post(`${url}/auth/login`, { username: 'ada' }, { 'x-forwarded-for': '192.0.2.1' }))
  await many(10, async () => await post(`${url}/auth/login`, { username: 'ada', password: 'guess' }, { 'x-forwarded-for': '192.0.2.1', 'sec-fetch-site': 'cross-site' }))

  const response = await guess(url, 'ada', '192.0.2.1', password)
  t.equal(response.status, 200)
  t.match(response.headers.get('ratelimit'), /^"signIn";r=4;t=3600$/)
})

t.test('refreshes are counted by session, so that a neighbour at the same address goes on', async t => {
  const { url } = await startGuessed(t)
  const [ada, bob] = [await signInForTokens(url, 'ada'), await signInForTokens(url, 'bob')]
  let { cookie } = ada

  for (let index = 0; index < 3; index++) {
    const response = await post(`${url}/auth/refresh`, undefined, { cookie })
    t.equal(response.status, 200)
    t.equal(response.headers.get('ratelimit-policy'), '"refresh";q=3;w=3600')
    cookie = `__Secure-portcullis-refresh=${setCookies(response)['__Secure-portcullis-refresh']!}`
  }

  const refused = await post(`${url}/auth/refresh`, undefined, { cookie })
  await assertProblem(t, refused, 429, 'PTC_ERR_RATE_LIMITED')
  t.strictSame(setCookies(refused), {}, 'the refresh token stays good')
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: bob.cookie })).status, 200)
})

t.test('forged refresh tokens are counted by address, and sign nobody there out', async t => {
  const { url } = await startGuessed(t)
  const { cookie } = await signInForTokens(url, 'ada')
  const forged = () => `${cookie.slice(0, -30)}${randomBytes(22).toString('base64url').slice(0, 30)}`

  const answers = await many(10, async () => await post(`${url}/auth/refresh`, undefined, { cookie: forged() }))

  t.strictSame(statusesOf(answers), [401, 401, 401, ...Array.from({ length: 7 }, () => 429)])
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie })).status, 200)
  t.strictSame(statusesOf(await many(5, async () => await post(`${url}/auth/refresh`))), [401, 401, 401, 401, 401], 'without a token')
})

t.test('10000 guessed session ids are refused by address, told once, and keep nobody with a good one out', async t => {
  const events = recordEvents(t)
  const upstream = await startUpstream(t)
  const { url } = await startGuessed(t, { upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders', rateLimit: { max: 50, window: '1h' } }] })
  const [cookie = ''] = (await guess(url, 'ada', '192.0.2.2', password)).headers.getSetCookie()
  const get = async (cookie: string, address: string) => await fetch(`${url}/orders/1`, { headers: { cookie, 'x-forwarded-for': address } })
  const guessed = () => `__Host-Http-portcullis=${randomBytes(16).toString('base64url')}.${randomBytes(32).toString('base64url')}`
  const tally = new Map<number, number>()

  for (let round = 0; round < 100; round++) {
    for (const response of await many(100, async () => await get(guessed(), '192.0.2.1'))) {
      await response.arrayBuffer()
      tally.set(response.status, (tally.get(response.status) ?? 0) + 1)
    }
  }

  t.equal(tally.get(401), 50)
  t.equal(tally.get(429), 9950)
  t.equal(upstream.requests.length, 0)
  t.strictSame(events.filter(({ event }) => event === 'rate.limited'), [{ event: 'rate.limited', ip: '192.0.2.1', outcome: '/orders', budget: '/orders' }])
  const good = cookie.split(';')[0]!
  t.equal((await get(good, '192.0.2.2')).status, 200, 'from elsewhere')
  t.equal((await get(good, '192.0.2.1')).status, 200, 'from the same address')
})

t.test('a service with a budget refuses one subject and serves the other', async t => {
  const upstream = await startUpstream(t)
  const limited = { rateLimit: { max: 3, window: '1h' } }
  const { url } = await startGuessed(t, {
    upstreams: [
      { prefix: '/orders', target: upstream.url, audience: 'orders', ...limited },
      { prefix: '/free', target: upstream.url, audience: 'free' },
      { prefix: '/', target: upstream.url, access: 'public', ...limited }
    ]
  })
  const [ada, bob] = [await signInForTokens(url, 'ada'), await signInForTokens(url, 'bob')]
  const get = async (path: string, headers: Record<string, string> = {}) => await fetch(`${url}${path}`, { headers })
  const bearer = ({ token }: { token: string }) => ({ authorization: `Bearer ${token}` })

  t.strictSame(statusesOf(await many(6, async index => await get('/orders', { ...bearer(ada), 'x-forwarded-for': `192.0.2.${index}` }))), [200, 200, 200, 429, 429, 429])
  t.equal((await get('/orders', bearer(bob))).status, 200, 'another subject')
  t.equal((await get('/free', bearer(ada))).status, 200, 'another service')
  t.strictSame(statusesOf(await many(5, async () => await get('/page'))), [200, 200, 200, 429, 429], 'nobody, by address')
  t.equal((await get('/page', { 'x-forwarded-for': '192.0.2.9' })).status, 200, 'nobody, from elsewhere')
  t.equal((await get('/page', bearer(ada))).status, 200, 'somebody, from the same address')
  await assertProblem(t, await get('/orders', bearer(ada)), 429, 'PTC_ERR_RATE_LIMITED')
})
