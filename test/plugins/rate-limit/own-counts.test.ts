import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import errors from '../../../plugins/errors.ts'
import rateLimit, { type Counts, type RateLimitOptions } from '../../../plugins/rate-limit.ts'
import storePlugin from '../../../plugins/store.ts'
import { createStore } from '../../helpers/build-app.ts'

/** An application that counts requests by its own counters. */
async function build (t: Test, counts: unknown, options: RateLimitOptions = {}): Promise<FastifyInstance> {
  const { store } = await createStore(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(rateLimit, { ...options, counts: counts as Counts })
  const budget = app.portcullis.rateLimit.createBudget('orders', { max: 2, window: '1m' })
  app.get('/', async (_request, reply) => {
    await budget.spend(reply, 'all')
    return 'fine'
  })
  app.get('/attempt', async request => await app.portcullis.rateLimit.attempt(request, 'ada', async () => 'right'))
  return app
}

for (const kind of ['at once', 'by a promise'] as const) {
  t.test(`own counts that answer ${kind} decide on each request`, async t => {
    const asked: object[] = []
    let count = 0
    const app = await build(t, {
      add (_request, key, { name, max, windowMs }) {
        asked.push({ key, name, max, windowMs })
        const counted = { count: ++count, leftMs: 9500 }
        return kind === 'at once' ? counted : Promise.resolve(counted)
      },
      subtract: () => {}
    } satisfies Counts)

    const statuses = []
    for (let request = 0; request < 3; request++) statuses.push((await app.inject('/')).statusCode)

    t.same(statuses, [200, 200, 429])
    t.same(asked[0], { key: 'all', name: 'orders', max: 2, windowMs: 60_000 })
    t.match((await app.inject('/')).headers, { 'retry-after': '10', ratelimit: '"orders";r=0;t=10' })
  })
}

t.test('a request that own counts cannot count is refused', async t => {
  for (const [name, add] of Object.entries<() => unknown>({
    throws: () => { throw new Error('away') },
    rejects: async () => { throw new Error('away') },
    'answers never': () => new Promise(() => {}),
    'answers nothing': () => undefined,
    'answers no number': () => ({ count: NaN, leftMs: 1 }),
    'answers a text': async () => ({ count: '1', leftMs: 1 }),
    'answers less than nothing': () => ({ count: -1, leftMs: 1 })
  })) {
    const app = await build(t, { add, subtract: () => {} }, { timeout: '20ms' })
    const response = await app.inject('/')
    t.match(response, { statusCode: 503, headers: { 'retry-after': String } }, name)
    t.match(response.json(), { code: 'PTC_ERR_STORE_UNAVAILABLE' }, name)
  }
})

t.test('a right password is given back, and a failure of that is no failure of the request', async t => {
  const given: string[] = []
  for (const subtract of [(key: string) => { given.push(key) }, () => { throw new Error('away') }, async () => { throw new Error('away') }]) {
    const app = await build(t, { add: () => ({ count: 1, leftMs: 1000 }), subtract })
    t.equal((await app.inject('/attempt')).statusCode, 200)
  }
  t.match(given, [/^account /])
})

t.test('counts without their methods are refused', async t => {
  for (const counts of [{}, { add: () => {} }, 'redis']) await t.rejects(build(t, counts), { code: 'PTC_ERR_CONFIG_INVALID', message: /^portcullis-rate-limit: counts/ })
})
