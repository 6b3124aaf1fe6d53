import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { password, post, signIn, signInForTokens, startGateway } from './helpers/build-gateway.ts'
import { createOutage } from './helpers/outage.ts'
import { patienceMs, settlesWithin } from './helpers/patience.ts'
import { assertProblem } from './helpers/problem.ts'
import { startUpstream } from './helpers/upstream.ts'

/*
 * While the store is away nobody can be told good from bad, so nothing is answered but 503, and no client loses a cookie over it.
 */

async function start (t: Test, revocation: object = {}) {
  const outage = createOutage()
  const open = await startUpstream(t)
  const up = await startUpstream(t)
  const gateway = await startGateway(t, {
    revocation: { maxStaleness: '200ms', ...revocation },
    upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }, { prefix: '/strict', target: up.url, audience: 'up', revocation: { consistency: 'strict' } }, { prefix: '/open', target: open.url, access: 'public', audience: 'open' }]
  }, outage)
  return { ...gateway, outage, open, up }
}

/** Answers of `ask` until one has another status; that one. */
async function untilNot (status: number, ask: () => Promise<Response>): Promise<Response> {
  for (const startedAt = performance.now(); performance.now() - startedAt < patienceMs;) {
    const response = await ask()
    if (response.status !== status) return response
    await response.text()
    await wait(10)
  }
  throw new Error(`still ${status}`)
}

t.test('without the store every route that needs it is 503 and takes no cookie away', async t => {
  const { url, outage } = await start(t)
  const [session, tokens, other] = [await signIn(url), await signInForTokens(url), await signIn(url)]
  const cookies = `${session.cookie}; ${tokens.cookie}`
  const bearer = { authorization: `Bearer ${tokens.token}` }
  outage.begin()

  for (const [what, request] of Object.entries({
    'sign-in': async () => await post(`${url}/auth/login`, { username: 'ada', password }),
    'sign-in in tokens mode': async () => await post(`${url}/auth/login`, { username: 'ada', password, mode: 'tokens' }),
    'sign-in that carries cookies': async () => await post(`${url}/auth/login`, { username: 'ada', password }, { cookie: cookies }),
    refresh: async () => await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie }),
    'refresh for an audience': async () => await post(`${url}/auth/refresh`, { audience: ['up'] }, { cookie: tokens.cookie }),
    'logout by session cookie': async () => await post(`${url}/auth/logout`, undefined, { cookie: session.cookie }),
    'logout by refresh cookie': async () => await post(`${url}/auth/logout`, undefined, { cookie: tokens.cookie }),
    'logout by bearer': async () => await post(`${url}/auth/logout`, undefined, bearer),
    'logout of others': async () => await post(`${url}/auth/logout`, { scope: 'others' }, { cookie: session.cookie }),
    'logout of all': async () => await post(`${url}/auth/logout`, { scope: 'all' }, { cookie: tokens.cookie }),
    'who am I': async () => await fetch(`${url}/auth/session`, { headers: { cookie: session.cookie } }),
    sessions: async () => await fetch(`${url}/auth/sessions`, { headers: bearer }),
    'ending another session': async () => await fetch(`${url}/auth/sessions/${other.sid}`, { method: 'DELETE', headers: { cookie: session.cookie } }),
    'a session that this process has not seen': async () => await fetch(`${url}/up`, { headers: { cookie: other.cookie } }),
    'a strict upstream': async () => await fetch(`${url}/strict`, { headers: bearer })
  })) await assertProblem(t, await request(), 503, 'PTC_ERR_STORE_UNAVAILABLE', what)

  outage.end()
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: session.cookie } })).status, 200)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 200)
})

t.test('what a proxied request showed is remembered until it is stale, and then it is 503', async t => {
  const { url, outage, up } = await start(t)
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  const ways: Array<Record<string, string>> = [{ cookie: session.cookie }, { authorization: `Bearer ${tokens.token}` }]
  for (const headers of ways) t.equal((await fetch(`${url}/up`, { headers })).status, 200)
  outage.begin()

  const refused = Promise.all(ways.map(async headers => await untilNot(200, async () => await fetch(`${url}/up`, { headers }))))
  t.ok(await settlesWithin(1500, refused), 'by the configured maxStaleness, not by the default one')
  for (const response of await refused) await assertProblem(t, response, 503, 'PTC_ERR_STORE_UNAVAILABLE')
  const seen = up.requests.length
  for (const headers of ways) t.equal((await fetch(`${url}/up`, { headers })).status, 503)
  t.equal(up.requests.length, seen)

  outage.end()
  for (const headers of ways) t.equal((await untilNot(503, async () => await fetch(`${url}/up`, { headers }))).status, 200)
})

t.test('staleFor serves on that much longer, never where strict is demanded', async t => {
  const { url, outage } = await start(t, { staleFor: '60s' })
  const { token } = await signInForTokens(url)
  const headers = { authorization: `Bearer ${token}` }
  const { token: revoked, cookie } = await signInForTokens(url)
  await post(`${url}/auth/logout`, undefined, { cookie })
  t.equal((await fetch(`${url}/up`, { headers })).status, 200)
  outage.begin()
  await wait(300)

  t.equal((await fetch(`${url}/up`, { headers })).status, 200)
  await assertProblem(t, await fetch(`${url}/up`, { headers: { authorization: `Bearer ${revoked}` } }), 401, 'PTC_ERR_TOKEN_INVALID')
  await assertProblem(t, await fetch(`${url}/strict`, { headers }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
})

t.test('a public upstream is served without identity', async t => {
  const { url, outage, open } = await start(t)
  const [seen, unseen, tokens] = [await signIn(url), await signIn(url), await signInForTokens(url)]
  await fetch(`${url}/up`, { headers: { cookie: seen.cookie } })
  outage.begin()
  await untilNot(200, async () => await fetch(`${url}/up`, { headers: { cookie: seen.cookie } }))

  for (const headers of [{}, { cookie: seen.cookie }, { cookie: unseen.cookie }, { authorization: `Bearer ${tokens.token}` }] as Array<Record<string, string>>) {
    t.equal((await fetch(`${url}/open`, { headers })).status, 200)
    t.equal(open.requests.at(-1)?.headers.authorization, undefined)
  }
})

t.test('what needs no store is answered as ever', async t => {
  const { url, outage } = await start(t)
  outage.begin()
  t.equal((await fetch(`${url}/.well-known/jwks.json`)).status, 200)
  await assertProblem(t, await fetch(`${url}/auth/session`), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  await assertProblem(t, await fetch(`${url}/up`), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  await assertProblem(t, await post(`${url}/auth/refresh`, undefined, { cookie: '__Secure-portcullis-refresh=forged' }), 401, 'PTC_ERR_REFRESH_REFUSED')
  await assertProblem(t, await post(`${url}/auth/login`, { username: 'ada', password: 'wrong' }), 401, 'PTC_ERR_LOGIN_REFUSED')
  t.equal((await post(`${url}/auth/logout`)).status, 204, 'nothing was presented, nothing is left to close')
})
