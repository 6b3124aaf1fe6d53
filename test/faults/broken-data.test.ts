import type { Redis } from 'ioredis'
import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { until } from '../helpers/build-app.ts'
import { post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { refresh } from '../helpers/refresh.ts'
import { connectAdmin } from '../helpers/redis-server.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * Somebody else writes into our Redis: a program with the same prefix, an operator's slip, a bug of long ago. A record that cannot be
 * read is no sign-in, and it is nobody's problem but its owner's: no 500, no crash, no other session that stops.
 */

type Damage = (admin: Redis, key: string) => Promise<unknown>

const damages: Record<string, Damage> = {
  'is a text now': async (admin, key) => { await admin.del(key); await admin.set(key, 'something else') },
  'is a list now': async (admin, key) => { await admin.del(key); await admin.rpush(key, 'a', 'b') },
  'is empty': async (admin, key) => { await admin.del(key); await admin.hset(key, 'nothing', 'of ours') },
  'has no end': async (admin, key) => await admin.hdel(key, 'expiresAtMs'),
  'has an end that is no number': async (admin, key) => await admin.hset(key, 'expiresAtMs', 'tomorrow'),
  'has an epoch that is no number': async (admin, key) => await admin.hset(key, 'epoch', 'old'),
  'has scopes that are no list': async (admin, key) => await admin.hset(key, 'scopes', '{"not": "a list"'),
  'has a last use that is no number': async (admin, key) => await admin.hset(key, 'lastUsedAtMs', 'just now'),
  'has no subject': async (admin, key) => await admin.hdel(key, 'subject'),
  'has a client that is none': async (admin, key) => await admin.hset(key, 'client', 'null'),
  'has a generation that is no number': async (admin, key) => await admin.hset(key, 'generation', 'next'),
  'has lost its closing times': async (admin, key) => await admin.hdel(key, 'closed', 'rotatedAtMs', 'holdUntilMs')
}

t.test('a record that was damaged is refused or unavailable for its owner, and nobody else notices', async t => {
  const { redis, gateway: { url }, healthy, urls } = await startFaultyRedis(t, { timeout: '5s' })
  const admin = await connectAdmin(t, redis)
  const good = { session: await signIn(url, 'bob'), tokens: await signInForTokens(url, 'bob') }
  await admin.set('portcullis', 'not ours')
  await admin.set('portcullis:{0}:session:', 'not ours')
  await admin.set('portcullis:{0}:session:AAAAAAAAAAAAAAAAAAAAAA', 'not ours')
  await admin.hset('portcullis:{0}:token:x', 'not', 'ours')

  for (const [index, [what, damage]] of Object.entries(damages).entries()) {
    const username = `user-${index}`
    const [session, tokens] = [await signIn(url, username), await signInForTokens(url, username)]
    for (const { sid } of [session, tokens]) await damage(admin, `portcullis:{0}:session:${sid}`)

    const asked: Record<string, () => Promise<Response>> = {
      'by session cookie': async () => await fetch(`${healthy.url}/up`, { headers: { cookie: session.cookie } }),
      'by session cookie, strictly': async () => await fetch(`${url}/strict`, { headers: { cookie: session.cookie } }),
      'who am I': async () => await fetch(`${url}/auth/session`, { headers: bearer(tokens.token) }),
      'by token, strictly': async () => await fetch(`${url}/strict`, { headers: bearer(tokens.token) }),
      sessions: async () => await fetch(`${url}/auth/sessions`, { headers: bearer(tokens.token) }),
      refresh: async () => await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie }),
      'refresh for an audience': async () => await post(`${url}/auth/refresh`, { audience: ['up'] }, { cookie: tokens.cookie }),
      'another sign-in': async () => await post(`${url}/auth/login`, { username, password: 'correct horse' }),
      'sign-out': async () => await post(`${url}/auth/logout`, undefined, { cookie: session.cookie }),
      'sign-out in tokens mode': async () => await post(`${url}/auth/logout`, undefined, { cookie: tokens.cookie }),
      'sign-out everywhere': async () => await post(`${url}/auth/logout`, { scope: 'all' }, { cookie: tokens.cookie })
    }
    for (const [how, ask] of Object.entries(asked)) {
      const { status } = await ask()
      // Whatever became of the old session, its owner can sign in, and out.
      const expected = { 'another sign-in': [200], 'sign-out': [204], 'sign-out in tokens mode': [204] }[how] ?? [200, 204, 401, 503]
      t.ok(expected.includes(status), `a session that ${what}, ${how}: ${status}`)
    }
    for (const url of urls()) {
      t.equal((await fetch(`${url}/strict`, { headers: { cookie: good.session.cookie } })).status, 200)
      t.equal((await fetch(`${url}/strict`, { headers: bearer(good.tokens.token) })).status, 200)
    }
  }
  t.equal((await refresh(url, good.tokens.cookie)).status, 200)
})

for (const key of ['state', 'log', 'revocations', 'beat']) {
  t.test(`while ${key} is not what it should be nobody is served by mistake, and when it is away everybody is again`, async t => {
    const { redis, gateway: { app, url } } = await startFaultyRedis(t, { timeout: '5s' })
    const admin = await connectAdmin(t, redis)
    const [session, tokens, ended] = [await signIn(url), await signInForTokens(url), await signInForTokens(url)]
    await post(`${url}/auth/logout`, undefined, { cookie: ended.cookie })

    // At once, or the gateways' next beat comes in between.
    await admin.multi().del(`portcullis:{0}:${key}`).hset(`portcullis:{0}:${key}`, { seq: 'not a number', floor: 'not a number' }).exec()
    for (let round = 0; round < 5; round++) {
      for (const response of [
        await fetch(`${url}/strict`, { headers: bearer(tokens.token) }),
        await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie }),
        await post(`${url}/auth/login`, { username: 'ada', password: 'correct horse' })
      ]) t.ok([200, 503].includes(response.status), `${response.url.slice(url.length)}: ${response.status}`)
      t.equal((await fetch(`${url}/strict`, { headers: bearer(ended.token) })).status === 200, false)
    }

    await admin.del(`portcullis:{0}:${key}`)
    await until(() => app.portcullis.health.isReady())
    await until(async () => (await fetch(`${url}/strict`, { headers: { cookie: session.cookie } })).status === 200)
    t.equal((await fetch(`${url}/strict`, { headers: bearer(ended.token) })).status, 401)
    await until(async () => (await refresh(url, tokens.cookie)).status === 200)
  })
}
