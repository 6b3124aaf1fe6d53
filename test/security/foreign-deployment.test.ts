/*
 * Two deployments on one store with one secret: other origins, other users. Whoever has a session at one of them shows its cookies
 * at the other one, which knows the record, the secret and the MAC.
 */
import t, { type Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import type { Store } from '../../stores/store.ts'
import { secret, otherSecret } from '../helpers/build-app.ts'
import { generousLimits, password, post } from '../helpers/sign-in.ts'
import { sharedStores } from '../helpers/stores.ts'
import { startUpstream } from '../helpers/upstream.ts'

const [one, two] = ['https://one.example.com', 'https://two.example.com']
const admin = { host: '127.0.0.1', port: 0, token: 'token-of-the-operators-0123456789' }

async function start (t: Test, origin: string, store: Store): Promise<string> {
  const upstream = await startUpstream(t)
  const config = checkConfig({
    origin,
    secret,
    listen: { host: '127.0.0.1', port: 0 },
    store: { type: 'sqlite', path: ':memory:' },
    log: { level: 'silent' },
    rateLimit: generousLimits,
    session: { deviceBound: {} },
    identity: async (given: { username: string, password: string }) => given.password === password ? { subject: given.username } : null,
    upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders' }]
  }, { directory: '.', env: {} })
  const app = await composeGateway(config, { store })
  t.teardown(async () => { await app.close() })
  return await app.listen({ host: '127.0.0.1', port: 0 })
}

async function signIn (url: string, mode: 'session' | 'tokens'): Promise<{ cookie: string, sid: string }> {
  const response = await post(`${url}/auth/login`, { username: 'ada', password, mode })
  const { session } = await response.json() as { session: { sid: string } }
  return { cookie: response.headers.getSetCookie()[0]!.split(';')[0]!, sid: session.sid }
}

for (const [name, open] of sharedStores) {
  t.test(`${name}: a session cookie of one deployment is nobody's at the other one, and survives what is tried with it there`, async t => {
    const [mine, theirs] = await open(t)
    const [here, there] = [await start(t, one, mine), await start(t, two, theirs)]
    const { cookie, sid } = await signIn(here, 'session')
    const own = await signIn(there, 'session')
    const get = async (url: string, path: string, from: string) => (await fetch(url + path, { headers: { cookie: from } })).status

    t.equal(await get(there, '/orders/1', cookie), 401)
    t.equal(await get(there, '/auth/session', cookie), 401)
    t.equal(await get(there, '/auth/sessions', cookie), 401)
    t.equal((await post(`${there}/auth/step-up`, { password }, { cookie })).status, 401)
    t.equal((await post(`${there}/auth/device/register`, undefined, { cookie, 'secure-session-response': 'a.b.c' })).status, 401)
    for (const scope of ['all', 'others']) t.equal((await post(`${there}/auth/logout`, { scope }, { cookie })).status, 401, scope)
    t.equal((await fetch(`${there}/auth/sessions/${sid}`, { method: 'DELETE', headers: { cookie: own.cookie } })).status, 404)
    const { sessions } = await (await fetch(`${there}/auth/sessions`, { headers: { cookie: own.cookie } })).json() as { sessions: Array<{ sid: string }> }
    t.notOk(sessions.some(listed => listed.sid === sid), 'it is not in the list there')

    t.equal(await get(here, '/orders/1', cookie), 200)
    t.equal(await get(here, '/auth/session', cookie), 200)
  })

  t.test(`${name}: a refresh cookie of one deployment is refused at the other one without being taken for stolen, newest and superseded alike`, async t => {
    const [mine, theirs] = await open(t)
    const [here, there] = [await start(t, one, mine), await start(t, two, theirs)]
    const { cookie } = await signIn(here, 'tokens')
    const rotated = await post(`${here}/auth/refresh`, {}, { cookie })
    const newest = rotated.headers.getSetCookie()[0]!.split(';')[0]!

    for (const shown of [cookie, newest]) {
      for (const [path, body] of [['/auth/refresh', {}], ['/auth/refresh', { audience: ['orders'] }], ['/auth/step-up', { password }]] as const) {
        const response = await post(`${there}${path}`, body, { cookie: shown })
        t.equal(response.status, 401, path)
        t.strictSame(response.headers.getSetCookie(), [], path)
      }
      t.equal((await post(`${there}/auth/logout`, { scope: 'all' }, { cookie: shown })).status, 401)
    }

    t.equal((await post(`${here}/auth/refresh`, {}, { cookie: newest })).status, 200)
  })

  t.test(`${name}: a sign-out with a cookie of the other deployment ends its session there, and so does a sign-in that replaces the cookie`, async t => {
    const [mine, theirs] = await open(t)
    const [here, there] = [await start(t, one, mine), await start(t, two, theirs)]
    const isSignedIn = async (cookie: string, mode: string) => mode === 'tokens' ? (await post(`${here}/auth/refresh`, {}, { cookie })).status === 200 : (await fetch(`${here}/orders/1`, { headers: { cookie } })).status === 200
    const ends = {
      'sign-out': async (cookie: string) => await post(`${there}/auth/logout`, {}, { cookie }),
      'sign-in': async (cookie: string) => await post(`${there}/auth/login`, { username: 'ada', password }, { cookie }),
      'sign-in for tokens': async (cookie: string) => await post(`${there}/auth/login`, { username: 'ada', password, mode: 'tokens' }, { cookie })
    }
    for (const mode of ['session', 'tokens'] as const) {
      const other = await signIn(here, mode)
      for (const [what, end] of Object.entries(ends)) {
        const { cookie } = await signIn(here, mode)
        t.ok(await isSignedIn(cookie, mode))
        const forged = cookie.replace(/.{5}$/, 'AAAAA')
        await end(forged)
        t.ok(await isSignedIn(cookie, mode), `${what}, ${mode}: a cookie with another secret ends nothing`)

        t.ok((await end(cookie)).ok, what)

        let tries = 0
        while (await isSignedIn(cookie, mode) && tries++ < 100) await new Promise(resolve => setTimeout(resolve, 20))
        t.ok(tries < 100, `${what}, ${mode}: it has ended`)
      }
      t.ok(await isSignedIn(other.cookie, mode), 'other sessions go on')
    }
  })

  t.test(`${name}: an operator of one deployment cannot end a session of the other one by its id, and is told so`, async t => {
    const [mine, theirs] = await open(t)
    const [here, there] = [await start(t, one, mine), await start(t, two, theirs)]
    const { cookie, sid } = await signIn(here, 'session')
    await signIn(there, 'session')

    const app = await composeGateway(checkConfig({ origin: two, secret, admin, store: { type: 'sqlite', path: ':memory:' }, log: { level: 'silent' }, identity: async () => null }, { directory: '.', env: {} }), { store: theirs })
    t.teardown(async () => { await app.close() })
    await t.rejects(app.portcullis.blocklist.revoke({ sid }), { code: 'PTC_ERR_SESSION_NOT_FOUND' })
    t.equal(await app.portcullis.blocklist.close(sid), null)
    t.notOk(app.portcullis.blocklist.knowsAsRevoked({ issuer: null, jti: null, sid, subject: null, epoch: null }), 'nor would it assert the end of it later on')

    t.equal((await fetch(`${here}/orders/1`, { headers: { cookie } })).status, 200)
  })

  t.test(`${name}: a session without an origin, as earlier versions wrote them, stays good`, async t => {
    const [mine] = await open(t)
    const asBefore = new Proxy(mine, { get: (target, member: keyof Store) => member === 'open' ? async (session: Parameters<Store['open']>[0]) => await target.open({ ...session, origin: null }) : Reflect.get(target, member) as unknown })
    const before = await start(t, one, asBefore)
    const now = await start(t, one, mine)
    const [session, tokens] = [await signIn(before, 'session'), await signIn(before, 'tokens')]

    t.equal((await fetch(`${now}/orders/1`, { headers: { cookie: session.cookie } })).status, 200)
    t.equal((await post(`${now}/auth/refresh`, {}, { cookie: tokens.cookie })).status, 200)
    t.equal((await post(`${now}/auth/logout`, {}, { cookie: session.cookie })).status, 204)
    t.equal((await fetch(`${now}/orders/1`, { headers: { cookie: session.cookie } })).status, 401)
  })
}

t.test('a store whose keys another secret has sealed names the key prefix first, where it is a Redis', async t => {
  const redis = sharedStores.find(([name]) => name === 'one Redis')!
  const [mine, theirs] = await redis[1](t)
  await start(t, one, mine)
  const config = checkConfig({ origin: two, secret: otherSecret, store: { type: 'sqlite', path: ':memory:' }, log: { level: 'silent' }, identity: async () => null }, { directory: '.', env: {} })

  await t.rejects(composeGateway(config, { store: theirs }), { code: 'PTC_ERR_CONFIG_INVALID', message: /^store\.keyPrefix: .*another deployment uses this Redis: set store\.keyPrefix.*secret:/ })
})
