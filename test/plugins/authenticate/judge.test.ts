import t, { type Test } from 'tap'
import type { RequestFacts } from '../../../lib/http/request-facts.ts'
import { credentialsFor, type Demand, Judge } from '../../../plugins/authenticate/judge.ts'
import type { Access } from '../../../lib/settings/upstream.ts'
import { refusedCallerOf } from '../../../plugins/authenticate/refused-callers.ts'
import { buildApp, createStore, openFamily, openSession, origin, recordEvents } from '../../helpers/build-app.ts'

/** The facts of a request as another proxy would tell them: no server has received it. */
function facts (headers: Record<string, string>, method = 'GET'): RequestFacts {
  return { id: 'r1', ip: '192.0.2.1', method, originalUrl: '/orders?secret=1', headers, raw: { headers, rawHeaders: Object.entries(headers).flat() } }
}

async function build (t: Test) {
  const { store } = await createStore(t)
  const app = await buildApp(t, store)
  const [{ cookie, sid }, { token }] = [await openSession(app), await openFamily(app)]
  const judge = new Judge(app.portcullis, origin)
  const demand = (access: Access, rest: Partial<Demand> = {}): Demand => ({ ...credentialsFor(access, judge.schemes), audience: 'orders', scopes: [], stepUp: null, strength: null, consistency: 'replica', isUse: true, ignoreBearer: false, ...rest })
  return { judge, demand, cookie, sid, authorization: `Bearer ${token}` }
}

t.test('a request that no server has received is judged by its facts', async t => {
  const { judge, demand, cookie, sid, authorization } = await build(t)

  t.match(await judge.judge(facts({ cookie }), demand('any')), { credential: 'session', sid })
  t.match(judge.judge(facts({ cookie }), demand('session')), { credential: 'session', sid }, 'from memory, without a promise')
  t.match(judge.judge(facts({ authorization }), demand('token')), { credential: 'token' })
  t.match(await judge.judge(facts({ cookie }), demand('any', { consistency: 'strict' })), { sid })
  t.equal(judge.judge(facts({}), demand('public')), null)
  t.match(judge.verifications.byCredential, { session: { hit: { accepted: 1 }, miss: { accepted: 2 } }, token: { miss: { accepted: 1 } } })
})

t.test('a refusal carries its challenge, and names the caller who was refused', async t => {
  const { judge, demand, cookie, authorization } = await build(t)
  const elsewhere = facts({ authorization })

  t.throws(() => judge.judge(facts({}), demand('any', { scopes: ['a'] })), { code: 'PTC_ERR_CREDENTIALS_MISSING', headers: { 'www-authenticate': 'Bearer scope="a"' }, cause: { message: 'neither a session cookie nor an access token' } })
  t.throws(() => judge.judge(facts({ cookie }), demand('token')), { code: 'PTC_ERR_CREDENTIALS_MISSING', cause: { message: 'no access token; session cookies do not count here' } })
  t.throws(() => judge.judge(facts({ cookie, authorization }), demand('any')), { code: 'PTC_ERR_CREDENTIALS_AMBIGUOUS', cause: { message: 'a session cookie and an access token' } })
  t.throws(() => judge.judge(elsewhere, demand('any', { audience: 'admin' })), { code: 'PTC_ERR_TOKEN_INVALID' })
  t.match(refusedCallerOf(elsewhere), { subject: 'ada' })
  await t.rejects(async () => await judge.judge(facts({ cookie }), demand('any', { audience: 'admin' })), { code: 'PTC_ERR_SCOPE_INSUFFICIENT' })
})

t.test('a state change that another site has caused is refused where a browser has added the credential', async t => {
  const { judge, demand, cookie, authorization } = await build(t)
  const events = recordEvents(t)
  const foreign = { 'sec-fetch-site': 'cross-site' }

  t.throws(() => judge.judge(facts({ ...foreign, cookie }, 'POST'), demand('any')), { code: 'PTC_ERR_CSRF_REFUSED' })
  t.throws(() => judge.judge(facts({ ...foreign, cookie: `${cookie}; ${cookie}` }, 'POST'), demand('public')), { code: 'PTC_ERR_CSRF_REFUSED' })
  t.match(judge.judge(facts({ ...foreign, authorization }, 'POST'), demand('any')), { credential: 'token' })

  t.match(events.filter(({ event }) => event === 'csrf.refused'), Array(2).fill({ event: 'csrf.refused', ip: '192.0.2.1', method: 'POST', path: '/orders' }))
})
