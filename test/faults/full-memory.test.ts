import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { until } from '../helpers/build-app.ts'
import { password, post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { refresh } from '../helpers/refresh.ts'
import { connectAdmin } from '../helpers/redis-server.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * Redis has no memory left and may throw nothing away. Then nothing new is begun, but whoever is signed in is served, and whoever signs
 * out is out: an end that must wait for memory is none.
 */

t.test('when the memory of Redis is full everybody who is in is served, stays in and can leave, nobody new comes, and nothing is forgotten', async t => {
  const { redis, gateway, healthy, urls } = await startFaultyRedis(t)
  const admin = await connectAdmin(t, redis)
  const { url } = gateway
  const [session, tokens, leaving, leavingTokens, gone] = [await signIn(url), await signInForTokens(url), await signIn(url), await signInForTokens(url), await signInForTokens(url)]
  await post(`${url}/auth/logout`, undefined, { cookie: gone.cookie })
  const revocations = async () => await admin.zcard('portcullis:{0}:revocations')
  const before = await revocations()

  await admin.config('SET', 'maxmemory', '1')
  for (const url of urls()) {
    for (const path of ['up', 'strict']) {
      t.equal((await fetch(`${url}/${path}`, { headers: { cookie: session.cookie } })).status, 200)
      t.equal((await fetch(`${url}/${path}`, { headers: bearer(tokens.token) })).status, 200)
    }
    t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: session.cookie } })).status, 200)
    for (const mode of ['session', 'tokens']) await assertProblem(t, await post(`${url}/auth/login`, { username: 'ada', password, mode }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
    t.match(await refresh(url, tokens.cookie), { status: 200, answer: { session: { sid: tokens.sid } } })
  }
  t.equal((await post(`${url}/auth/logout`, undefined, { cookie: leaving.cookie })).status, 204)
  t.equal((await post(`${url}/auth/logout`, undefined, { cookie: leavingTokens.cookie })).status, 204)
  await gateway.app.portcullis.blocklist.revoke({ jti: 'of-a-stolen-token' })
  for (const url of urls()) {
    await until(async () => (await fetch(`${url}/up`, { headers: { cookie: leaving.cookie } })).status === 401)
    for (const { token } of [leavingTokens, gone]) await until(async () => (await fetch(`${url}/up`, { headers: bearer(token) })).status === 401)
  }
  t.equal(await revocations(), before + 3, 'none was evicted')
  for (const { app } of [gateway, healthy]) t.ok(app.portcullis.health.isReady())

  await admin.config('SET', 'maxmemory', '0')
  const refreshed = await refresh(url, tokens.cookie)
  t.match(refreshed, { status: 200, answer: { session: { sid: tokens.sid } } })
  t.equal((await refresh(healthy.url, leavingTokens.cookie)).status, 401)
  t.ok(await signIn(healthy.url))
})
