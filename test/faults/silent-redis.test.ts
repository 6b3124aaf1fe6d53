import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { recordEvents, until } from '../helpers/build-app.ts'
import { password, post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * Redis falls silent and no connection breaks: packets vanish. Whoever waits without a deadline waits for ever, and so does everybody
 * behind them.
 */

t.test('when Redis vanishes without a word the first request is already told so, what needs no Redis goes on, and all is well soon after', async t => {
  const { proxy, gateway: { app, url }, echo } = await startFaultyRedis(t, { timeout: '300ms' })
  const events = recordEvents(t)
  const [session, tokens, other] = [await signIn(url), await signInForTokens(url), await signIn(url)]
  const { connections, accepted } = proxy

  proxy.inject({ silent: true })
  const first = await Promise.all([
    fetch(`${url}/strict`, { headers: bearer(tokens.token) }),
    fetch(`${url}/up`, { headers: { cookie: other.cookie } }),
    post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie }),
    post(`${url}/auth/login`, { username: 'ada', password }),
    post(`${url}/auth/logout`, undefined, { cookie: session.cookie })
  ])
  for (const response of first) await assertProblem(t, response, 503, 'PTC_ERR_STORE_UNAVAILABLE')
  await until(() => !app.portcullis.health.isReady())
  for (let round = 0; round < 20; round++) {
    t.equal((await fetch(`${url}/open`, { headers: { cookie: session.cookie } })).status, 200)
    await assertProblem(t, await fetch(`${url}/up`, { headers: bearer(tokens.token) }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
    await assertProblem(t, await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  }
  // The silent connection has been replaced, by one that is silent from the beginning.
  await until(async () => {
    await assertProblem(t, await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
    return proxy.accepted > accepted
  })
  await assertProblem(t, await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  t.ok(proxy.connections <= 3 * connections, 'attempts to connect do not pile up')

  const clearedAtMs = performance.now()
  proxy.inject()
  // The connections that fell silent are dead, as a firewall leaves them; nobody tells the gateway.
  await until(async () => (await fetch(`${url}/up`, { headers: bearer(tokens.token) })).status === 200)
  t.comment(`served ${Math.round(performance.now() - clearedAtMs)} ms after`)
  await until(() => app.portcullis.health.isReady())
  for (const { cookie } of [session, other]) t.ok([200, 401].includes((await fetch(`${url}/up`, { headers: { cookie } })).status))
  t.equal((await fetch(`${url}/up`, { headers: { cookie: other.cookie } })).status, 200)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 200)
  t.equal(echo.unidentified, 0)
  t.same(events.map(({ event }) => event).filter(event => event === 'refresh.reused'), [])
})
