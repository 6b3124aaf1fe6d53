import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { post, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { connectRedis, startRedis } from '../helpers/redis-server.ts'
import { advanceFamily, refresh } from '../helpers/refresh.ts'
import { createRedisStore } from '../../stores/redis.ts'
import { secret, startEcho } from './gateways.ts'

/*
 * A clock jumps: a gateway's, or that of Redis, forwards or back, by minutes or by a day. Sessions are judged by the store's clock alone,
 * so a gateway with a wrong one ends none and lengthens none; it can only take tokens for older or younger than they are.
 */

const minute = 60_000
const day = 24 * 60 * minute

t.test('a gateway whose clock jumps ends no session, refreshes as ever, and is right again when its clock is', async t => {
  const redis = await startRedis(t)
  const echo = await startEcho(t)
  const { config, folder } = await writeConfig(t, { store: { type: 'redis', url: redis.url, timeout: '20s' }, secret, session: { idleTimeout: '1d', absoluteTimeout: '7d' }, refreshToken: { overlap: '0s' }, upstreams: [{ prefix: '/up', target: echo.url, audience: 'up' }] })
  const clock = join(folder, 'clock')
  const skewed = await startPortcullis(t, config, { env: { NODE_OPTIONS: `--import ${pathToFileURL(join(import.meta.dirname, 'moved-clock.mjs')).href}`, CLOCK_FILE: clock } })
  const right = await startPortcullis(t, config)
  const move = async (ms: number): Promise<void> => {
    await writeFile(clock, String(ms))
    skewed.signal('SIGUSR2')
    // Tokens that it issues tell which clock it has.
    await untilTrue(async () => Math.abs(Number(claimsOf((await signInForTokens(skewed.url, 'bob')).token)['iat']) * 1000 - Date.now() - ms) < 20_000, 20)
  }
  const session = await signIn(skewed.url)
  let tokens: { cookie: string, token: string } = await signInForTokens(skewed.url)
  const { sid } = claimsOf(tokens.token)

  for (const jumpMs of [5 * minute, -5 * minute, day, -day, 0]) {
    const before = await signInForTokens(right.url)
    await move(jumpMs)
    for (const url of [skewed.url, right.url]) t.equal((await fetch(`${url}/up`, { headers: { cookie: session.cookie } })).status, 200, `session, ${jumpMs}`)

    const generation = Number(claimsOf(tokens.token)['gen'])
    tokens = await advanceFamily(skewed.url, tokens.cookie)
    t.match(claimsOf(tokens.token), { gen: generation + 1, sid })
    t.equal((await fetch(`${skewed.url}/up`, { headers: bearer(tokens.token) })).status, 200, 'its own tokens are good there')
    const crossed = (await fetch(`${skewed.url}/up`, { headers: bearer(before.token) })).status
    if (jumpMs >= day) t.equal(crossed, 401, 'by its clock the other one\'s tokens are over')
    t.ok([200, 401].includes(crossed))
    tokens = await advanceFamily(right.url, tokens.cookie)
    t.equal((await fetch(`${right.url}/up`, { headers: bearer(tokens.token) })).status, 200)

    const leaving = await signInForTokens(skewed.url)
    t.equal((await post(`${skewed.url}/auth/logout`, undefined, { cookie: leaving.cookie })).status, 204)
    for (const url of [skewed.url, right.url]) {
      await untilTrue(async () => (await fetch(`${url}/up`, { headers: bearer(leaving.token) })).status === 401)
      t.equal((await refresh(url, leaving.cookie)).status, 401)
    }
  }
  for (const gateway of [skewed, right]) t.equal((await gateway.end()).code, 0)
})

t.test('what has ended stays ended when the clock of Redis jumps, and nothing lives longer than the jump', async t => {
  const redis = await startRedis(t)
  let offsetMs = 0
  const store = await createRedisStore({ redis: connectRedis(t, redis), timeoutMs: 20_000, clockOffsetMs: () => offsetMs })
  t.teardown(() => store.end())
  const start = async (): Promise<string> => (await startGateway(t, { secret, session: { idleTimeout: '3h', absoluteTimeout: '4h' } }, { wrapStore: () => ({ ...store, end: async () => {} }) })).url
  const url = await start()
  const [kept, ended] = [await signInForTokens(url), await signInForTokens(url)]
  await post(`${url}/auth/logout`, undefined, { cookie: ended.cookie })

  for (const jumpMs of [60 * minute, -60 * minute]) {
    offsetMs = jumpMs
    t.match(await refresh(url, kept.cookie), { status: 200 }, 'who is in stays in')
    t.equal((await refresh(url, ended.cookie)).status, 401)
    t.equal((await fetch(`${url}/orders`, { headers: bearer(ended.token) })).status, 401)
  }
  offsetMs = 60 * minute
  // The replica forgets what is over every ten seconds.
  await sleep(12_000)
  t.equal((await fetch(`${url}/orders`, { headers: bearer(ended.token) })).status, 401, 'its token is not over yet by the clock that judges tokens')
  t.equal((await fetch(`${await start()}/orders`, { headers: bearer(ended.token) })).status, 200, 'a gateway that starts now learns nothing of it: docs/guides/operating.md says so')
  offsetMs = 4 * 60 * minute
  t.equal((await refresh(url, kept.cookie)).status, 401, 'after the absolute end')
})
