import type { AddressInfo } from 'node:net'
import t from 'tap'
import { StoreUnavailableError } from '../../lib/errors.ts'
import type { Store } from '../../stores/store.ts'
import { recordEvents, until } from '../helpers/build-app.ts'
import { bearer } from '../helpers/bearer.ts'
import { password, post, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { refresh, type Refreshed } from '../helpers/refresh.ts'
import { startRedisGateways } from '../helpers/redis-gateways.ts'
import { startRedis } from '../helpers/redis-server.ts'

/*
 * A refresh is cut off: the store fails before or after it has written, the token cannot be signed, the client is gone before the
 * answer. What was begun counts as a use then, and the honest retry looks like theft: everybody who refreshed during an outage is
 * signed out by it, which is what whoever causes outages may have wanted.
 */

/** A store that fails once: before an operation was done, or after. */
function createBreaker (): { wrapStore: (store: Store) => Store, breakNext: (method: string, when: 'before' | 'after') => void, broken: () => boolean } {
  let next: { method: string, when: 'before' | 'after' } | null = null
  const wrapStore = (store: Store): Store => new Proxy(store, {
    get (target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function' || name === 'nowMs' || name === 'onGrowth') return value
      return async (...given: unknown[]) => {
        const when = next?.method === name ? next.when : null
        if (when !== null) next = null
        if (when === 'before') throw new StoreUnavailableError()
        const result: unknown = await (value as (...given: unknown[]) => Promise<unknown>).apply(target, given)
        if (when === 'after') throw new StoreUnavailableError()
        return result
      }
    }
  })
  return { wrapStore, breakNext: (method, when) => { next = { method, when } }, broken: () => next === null }
}

t.test('whichever step of a refresh the store fails at, before it or after, the retry succeeds and nobody is accused', async t => {
  const breaker = createBreaker()
  const { url, store, advance } = await startGateway(t, {}, breaker)
  const events = recordEvents(t)
  for (const [method, body] of [['rotate', undefined], ['rotate', { audience: ['orders'] }], ['read', { audience: ['orders'] }]] as const) {
    for (const when of ['before', 'after'] as const) {
      const { cookie, sid } = await signInForTokens(url)
      breaker.breakNext(method, when)

      const failed = await post(`${url}/auth/refresh`, body, { cookie })

      t.ok(breaker.broken())
      await assertProblem(t, failed, 503, 'PTC_ERR_STORE_UNAVAILABLE', `${method} ${when}`)
      advance(20 * 60_000)
      const retried = await refresh(url, cookie, body)
      t.equal(retried.status, 200, `${method} ${when}`)
      t.equal(claimsOf(retried.token)['gen'], 2)
      advance(11_000)
      t.equal((await refresh(url, retried.cookie!)).status, 200)
      t.match(await store.read(sid), { family: { generation: 3 } })
    }
  }
  t.notOk(events.some(({ event }) => event === 'refresh.reused' || event === 'session.closed'))
})

t.test('the same holds for a step-up, and its password is no failed attempt', async t => {
  const breaker = createBreaker()
  const { url, advance } = await startGateway(t, { rateLimit: { signIn: { max: 3, window: '1h' } } }, breaker)
  const { cookie } = await signInForTokens(url)
  const before = claimsOf((await refresh(url, cookie)).token)['auth_time']
  advance(20 * 60_000)
  for (let round = 0; round < 6; round++) {
    breaker.breakNext('rotate', round % 2 === 0 ? 'before' : 'after')
    await assertProblem(t, await post(`${url}/auth/step-up`, { password }, { cookie }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  }
  const retried = await post(`${url}/auth/step-up`, { password }, { cookie })
  t.equal(retried.status, 200)
  t.ok(Number(claimsOf((await retried.json() as { access_token: string }).access_token)['auth_time']) - Number(before) >= 1200)
})

t.test('a token that cannot be signed costs the client nothing', async t => {
  const { app, url, advance } = await startGateway(t)
  const { cookie } = await signInForTokens(url)
  const key = app.portcullis.keys.current()
  const { kid, privateKey } = key
  Object.assign(key, { kid: 'another', privateKey: 'the key is away' })

  const failed = await post(`${url}/auth/refresh`, undefined, { cookie })
  t.same(failed.headers.getSetCookie(), [])
  t.notMatch(await assertProblem(t, failed, 500, 'PTC_ERR_INTERNAL'), /key is away/)

  Object.assign(key, { kid, privateKey })
  advance(60_000)
  t.equal(claimsOf((await refresh(url, cookie)).token)['gen'], 2)
})

t.test('a client that is gone before the answer comes back with the old token and is served', async t => {
  const { app, url, store, advance } = await startGateway(t)
  const { port } = app.server.address() as AddressInfo
  for (let round = 0; round < 10; round++) {
    const { cookie, sid } = await signInForTokens(url)
    const client = sendRaw(t, port, `POST /auth/refresh HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\nContent-Length: 0\r\n\r\n`)
    client.socket.on('connect', () => { setImmediate(() => { client.socket.resetAndDestroy() }) })
    await client.ended
    await until(async () => (await store.read(sid))?.family?.generation === 2 || round % 2 === 0)

    advance(60_000)
    const retried = await refresh(url, cookie)
    t.same([retried.status, claimsOf(retried.token)['gen']], [200, 2])
  }
})

t.test('refreshes that were under way when Redis stopped answering, at two gateways, all succeed when it does again', async t => {
  const redis = await startRedis(t)
  const gateways = await startRedisGateways(t, redis, 2, { store: { type: 'redis', url: redis.url, timeout: '1s' } })
  const events = recordEvents(t)
  const people = await Promise.all(Array.from({ length: 20 }, async (_, index) => ({ ...await signInForTokens(gateways[index % 2]!.url, `user-${index}`), url: gateways[(index + 1) % 2]!.url })))

  const under = people.map(async ({ url, cookie }) => await refresh(url, cookie))
  redis.pause()
  const failed: Refreshed[] = await Promise.all(under)
  for (const { status, setCookies } of failed) t.ok(status === 200 || (status === 503 && Object.keys(setCookies).length === 0))
  const more = await Promise.all(people.map(async ({ url, cookie }) => await refresh(url, cookie)))
  t.same([...new Set(more.map(({ status }) => status))], [503])
  redis.resume()

  for (const { url, cookie, sid } of people) {
    let answer: Refreshed | null = null
    await until(async () => {
      answer = await refresh(url, cookie)
      return answer.status !== 503
    })
    t.match(answer, { status: 200, answer: { session: { sid } } })
    t.equal((await fetch(`${url}/orders`, { headers: bearer(answer!.token) })).status, 200)
  }
  t.notOk(events.some(({ event }) => event === 'refresh.reused'))
})
