import rateLimiter from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { SessionInvalidError, ScopeInsufficientError } from '../../lib/errors.ts'
import errors from '../../plugins/errors.ts'
import rateLimit, { type RateLimitOptions } from '../../plugins/rate-limit.ts'
import storePlugin from '../../plugins/store.ts'
import { createServer, createStore, recordEvents } from '../helpers/build-app.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

interface Limited { app: FastifyInstance, advance: (ms: number) => void, verified: string[] }

/** A server where ada's password is `right`, and a service that is guarded. The caller is whom `x-subject` names, or refused as it says. */
async function buildLimited (t: Test, options: RateLimitOptions = {}): Promise<Limited> {
  let nowMs = 0
  const verified: string[] = []
  const app = Fastify({ trustProxy: ['127.0.0.1'] })
  t.teardown(() => app.close())
  const { store } = await createStore(t)
  await app.register(errors)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(rateLimit, { now: () => nowMs, ...options })
  const { portcullis } = app
  app.decorateRequest('identityOrNull', null)
  app.post<{ Body: { name: string, password: string } }>('/sign-in', async ({ body: { name, password } }, reply) => {
    return {
      who: await portcullis.rateLimit.signIn(reply, name, async () => {
        verified.push(name)
        if (password === 'broken') throw new Error('the directory is away')
        return password === 'right' ? name : null
      })
    }
  })
  app.post<{ Body: { name: string, password: string } }>('/step-up', async (request) => {
    return { who: await portcullis.rateLimit.attempt(request, request.body.name, async () => request.body.password === 'right' ? 'ada' : null) }
  })
  app.get('/service', {
    onRequest: portcullis.rateLimit.guard('/service', { max: 2, window: '1m' }, (request, _reply, done) => {
      const subject = request.headers['x-subject']
      if (subject === 'expired') return done(new SessionInvalidError())
      if (subject === 'weak') return done(new ScopeInsufficientError())
      Object.assign(request, { identityOrNull: subject === undefined ? null : { subject } })
      done()
    })
  }, async () => 'ok')
  await app.ready()
  return { app, verified, advance: ms => { nowMs += ms } }
}

const from = (address: string) => ({ 'x-forwarded-for': address })

async function signIn (app: FastifyInstance, name: string, password: string, address: string, url = '/sign-in') {
  return await app.inject({ method: 'POST', url, payload: { name, password }, headers: from(address) })
}

async function statuses (count: number, request: (index: number) => Promise<{ statusCode: number }>): Promise<number[]> {
  return (await Promise.all(Array.from({ length: count }, async (_, index) => await request(index)))).map(({ statusCode }) => statusCode)
}

t.test('more attempts of one address than its budget are refused before any password is looked at', async t => {
  const { app, verified } = await buildLimited(t)

  const answers = await statuses(30, async index => await signIn(app, `user-${index}`, 'wrong', '192.0.2.1'))

  t.strictSame([answers.filter(status => status === 200).length, answers.filter(status => status === 429).length], [10, 20])
  t.equal(verified.length, 10)
  t.equal((await signIn(app, 'ada', 'right', '192.0.2.2')).statusCode, 200, 'another address')
})

t.test('parallel guesses from many addresses at one account never exceed its budget', async t => {
  const { app, verified } = await buildLimited(t)

  const answers = await statuses(50, async index => await signIn(app, 'ada', 'wrong', `192.0.2.${index}`))

  t.equal(answers.filter(status => status === 200).length, 10)
  t.equal(verified.length, 10)
})

t.test('after the failures are used up the right password waits for the end of the window, and no longer', async t => {
  const { app, advance } = await buildLimited(t)
  await statuses(10, async index => await signIn(app, 'ada', 'wrong', `192.0.2.${index}`))

  const refused = await signIn(app, 'ada', 'right', '198.51.100.1')
  t.equal(refused.statusCode, 429)
  t.match(refused.headers, { 'retry-after': '60', ratelimit: '"signIn";r=0;t=60', 'ratelimit-policy': '"signIn";q=10;w=60' })

  t.equal((await signIn(app, 'bob', 'right', '198.51.100.1')).statusCode, 200, 'another account from the same address')
  advance(59_999)
  t.equal((await signIn(app, 'ada', 'right', '198.51.100.2')).statusCode, 429)
  advance(1)
  t.equal((await signIn(app, 'ada', 'right', '198.51.100.2')).json<{ who: string }>().who, 'ada')
})

t.test('right passwords, and those that nobody could check, do not use the account\'s budget up', async t => {
  const { app } = await buildLimited(t)

  const right = await statuses(40, async index => await (index % 2 === 0 ? signIn(app, `user-${index}`, 'right', `192.0.2.${index}`) : signIn(app, 'bob', 'right', `198.51.100.${index >> 2}`)))
  for (let index = 0; index < 30; index++) await signIn(app, 'ada', 'right', `192.0.2.${index}`)
  for (let index = 0; index < 30; index++) await signIn(app, 'ada', 'broken', `203.0.113.${index}`)

  t.ok(right.filter(status => status === 200).length >= 30)
  t.equal((await signIn(app, 'ada', 'right', '198.51.100.99')).statusCode, 200)
})

t.test('spellings that a directory may take for one account share its budget', async t => {
  const { app, verified } = await buildLimited(t)

  await statuses(40, async index => await signIn(app, ['ada', 'ADA', ' ada ', 'ａｄａ'][index % 4]!, 'wrong', `192.0.2.${index}`))

  t.equal(verified.length, 10)
})

t.test('a step-up shares the failures of the account, and not the attempts of the address', async t => {
  const { app } = await buildLimited(t)
  await statuses(10, async index => await signIn(app, 'ada', 'wrong', `192.0.2.${index}`))

  t.equal((await signIn(app, 'ada', 'right', '198.51.100.1', '/step-up')).statusCode, 429)
  t.strictSame(await statuses(11, async index => await signIn(app, `user-${index}`, 'wrong', '198.51.100.1', '/step-up')), Array.from({ length: 11 }, () => 200))
})

t.test('an IPv6 subscriber has one budget for the whole /64', async t => {
  const { app, verified } = await buildLimited(t)

  await statuses(30, async index => await signIn(app, `user-${index}`, 'wrong', `2001:db8:1:2::${index.toString(16)}`))
  t.equal(verified.length, 10)

  t.equal((await signIn(app, 'ada', 'right', '2001:db8:1:3::1')).statusCode, 200)
})

t.test('a used-up budget is one event in a window, however many follow', async t => {
  const events = recordEvents(t)
  const { app } = await buildLimited(t)

  await statuses(50, async index => await signIn(app, `user-${index}`, 'wrong', '192.0.2.1'))

  t.strictSame(events, [{ event: 'rate.limited', ip: '192.0.2.1', outcome: 'signIn', budget: 'signIn' }])
})

t.test('a service counts by subject, wherever a request comes from', async t => {
  const { app, advance } = await buildLimited(t)
  const get = async (subject: string, address: string) => await app.inject({ url: '/service', headers: { 'x-subject': subject, ...from(address) } })

  t.strictSame(await statuses(4, async index => await get('ada', `192.0.2.${index}`)), [200, 200, 429, 429])
  t.strictSame(await statuses(2, async () => await get('bob', '192.0.2.1')), [200, 200])
  t.match((await get('ada', '192.0.2.1')).headers, { 'retry-after': '60', ratelimit: '"/service";r=0;t=60', 'ratelimit-policy': '"/service";q=2;w=60' })

  advance(60_000)
  t.equal((await get('ada', '192.0.2.1')).statusCode, 200)
})

t.test('bad credentials are counted by address, and keep no good one out', async t => {
  const { app } = await buildLimited(t)
  const get = async (subject: string | undefined, address: string) => await app.inject({ url: '/service', headers: { ...subject === undefined ? {} : { 'x-subject': subject }, ...from(address) } })

  t.strictSame(await statuses(4, async () => await get('expired', '192.0.2.1')), [401, 401, 429, 429])
  t.equal((await get(undefined, '192.0.2.1')).statusCode, 429, 'nobody, from there')
  t.equal((await get('ada', '192.0.2.1')).statusCode, 200, 'somebody, from there')
  t.equal((await get('expired', '192.0.2.2')).statusCode, 401, 'from elsewhere')
  t.strictSame(await statuses(4, async () => await get('weak', '192.0.2.3')), [403, 403, 403, 403])
})

t.test('a subject cannot be named so that it counts as an address', async t => {
  const { app } = await buildLimited(t)
  const get = async (subject: string | undefined) => await app.inject({ url: '/service', headers: { ...subject === undefined ? {} : { 'x-subject': subject }, ...from('192.0.2.1') } })

  await statuses(3, async () => await get('192.0.2.1'))

  t.equal((await get(undefined)).statusCode, 200)
})

t.test('100000 random addresses leave a bounded memory behind', async t => {
  const { app } = await buildLimited(t, { maxKeys: 1000 })
  const budget = app.portcullis.rateLimit.createBudget('own', { max: 1, window: '1m' })
  const request = { ip: '192.0.2.1' } as Parameters<typeof budget.take>[0]
  const grow = (count: number) => { for (let index = 0; index < count; index++) void budget.take(request, `address ${Math.random()}`) }
  grow(10_000)
  collect()
  const before = process.memoryUsage().heapUsed

  grow(100_000)

  collect()
  const growth = process.memoryUsage().heapUsed - before
  t.ok(growth < 5_000_000, `${growth} bytes`)
  t.throws(() => { budget.take(request, 'one'); budget.take(request, 'one') }, { code: 'PTC_ERR_RATE_LIMITED' })
})

t.test('options that make no sense are refused', async t => {
  const { store } = await createStore(t)
  for (const [options, message] of [
    [{ signIn: { max: 0, window: '1m' } }, /signIn\.max/],
    [{ refresh: { max: 1, window: '10ms' } }, /refresh\.window must be at least 1s/],
    [{ signUp: {} }, /signUp is not an option/]
  ] as const) {
    const app = createServer(t)
    await app.register(storePlugin, { type: 'custom', store })
    await t.rejects(async () => await app.register(rateLimit, options as unknown as RateLimitOptions), { code: 'PTC_ERR_CONFIG_INVALID', message })
  }
  const { app } = await buildLimited(t)
  t.throws(() => app.portcullis.rateLimit.createBudget('a "name"', { max: 1, window: '1m' }), { code: 'PTC_ERR_CONFIG_INVALID' })
})

t.test('it does not boot without a store', async t => {
  const app = createServer(t)

  await t.rejects(async () => await app.register(rateLimit), { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('an application\'s own @fastify/rate-limit goes beside it', async t => {
  const app = createServer(t)
  const { store } = await createStore(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(rateLimit)

  await app.register(rateLimiter, { max: 1 })
  app.get('/', async () => 'ok')

  t.strictSame([(await app.inject('/')).statusCode, (await app.inject('/')).statusCode], [200, 429])
})
