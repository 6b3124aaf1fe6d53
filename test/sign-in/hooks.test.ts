import t, { type Test } from 'tap'
import type { SignInHooks } from '../../routes/auth.ts'
import { createFaultyStore, createStore, origin, recordEvents } from '../helpers/build-app.ts'
import { buildSecondFactorApp, code, codeOf, password, sessionOf, type SecondFactorApp, type SecondFactorAppOptions } from '../helpers/second-factor.ts'

async function start (t: Test, hooks: SignInHooks, options: SecondFactorAppOptions = {}): Promise<SecondFactorApp> {
  const { store } = await createStore(t)
  return await buildSecondFactorApp(t, store, { hooks, ...options })
}

const eve = { username: 'eve', password }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const ofForm = (fields: Record<string, string>): string => new URLSearchParams(fields).toString()

t.test('the hooks receive the facts of each step, in order, for the JSON API and the pages', async t => {
  const seen: Array<[string, unknown]> = []
  const hook = (name: string) => async (request: { id: string }, facts: object): Promise<void> => { seen.push([name, { ...facts, hasRequest: typeof request.id === 'string' }]) }
  const { post } = await start(t, Object.fromEntries(['beforeSignIn', 'afterSignIn', 'beforeRefresh', 'afterRefresh', 'beforeSignOut', 'afterSignOut'].map(name => [name, hook(name)])))

  const tokens = await post('/auth/login', { ...eve, mode: 'tokens', audience: ['orders'] })
  const refreshed = await post('/auth/refresh', undefined, sessionOf(tokens)!)
  await post('/auth/logout', undefined, sessionOf(refreshed)!)
  const page = await post('/auth/sign-in', ofForm(eve), undefined, form)
  await post('/auth/sign-out', '', sessionOf(page)!, form)

  const signIn = { subject: 'eve', username: 'eve', scopes: ['orders:read'], acr: '1', amr: ['pwd'], hasRequest: true }
  t.match(seen, [
    ['beforeSignIn', { ...signIn, mode: 'tokens', audiences: ['orders'] }],
    ['afterSignIn', { mode: 'tokens', session: { subject: 'eve', acr: '1' }, hasRequest: true }],
    ['beforeRefresh', { session: { subject: 'eve' } }],
    ['afterRefresh', { session: { subject: 'eve' } }],
    ['beforeSignOut', { scope: 'this', subject: 'eve', sids: [String] }],
    ['afterSignOut', { scope: 'this', subject: 'eve', sids: [String] }],
    ['beforeSignIn', { ...signIn, mode: 'session', audiences: ['orders', 'billing', origin] }],
    ['afterSignIn', { mode: 'session', session: { subject: 'eve' } }],
    ['beforeSignOut', { scope: 'this', subject: 'eve' }],
    ['afterSignOut', { scope: 'this', subject: 'eve' }]
  ])
  t.equal(seen.length, 10)
  t.notMatch(JSON.stringify(seen), password)
})

t.test('beforeSignIn runs after the second factor alone, so that it tells nothing about accounts', async t => {
  let runs = 0
  const { post, begin } = await start(t, { beforeSignIn: () => { runs++ } })
  await post('/auth/login', { ...eve, password: 'wrong' })
  await post('/auth/login', { username: 'nobody', password })
  const { token, cookie } = await begin()
  await post('/auth/login', { challenge_token: token, response: '000000' }, cookie)
  t.equal(runs, 0)
  await post('/auth/login', { challenge_token: token, response: code }, cookie)
  t.equal(runs, 1)
})

t.test('a hook that throws before a sign-in refuses it: an error of 4xx keeps its status, any other is 500', async t => {
  const thrown: Array<[unknown, string]> = [
    [Object.assign(new Error('secret reason'), { statusCode: 403 }), '403 PTC_ERR_REQUEST_INVALID'],
    [Object.assign(new Error('x'), { statusCode: 451, code: 'MY_REGION' }), '451 MY_REGION'],
    [Object.assign(new Error('x'), { statusCode: 503, code: 'MY_DATABASE' }), '500 PTC_ERR_INTERNAL'],
    [Object.assign(new Error('x'), { statusCode: 200 }), '500 PTC_ERR_INTERNAL'],
    [new Error('x'), '500 PTC_ERR_INTERNAL'],
    [undefined, '500 PTC_ERR_INTERNAL'],
    [null, '500 PTC_ERR_INTERNAL'],
    ['text', '500 PTC_ERR_INTERNAL'],
    [{ statusCode: 403 }, '500 PTC_ERR_INTERNAL']
  ]
  let next: unknown
  let isAsync = false
  const { app, post } = await start(t, {
    beforeSignIn () {
      if (isAsync) return Promise.reject(next)
      throw next
    }
  })
  const events = recordEvents(t)
  for (isAsync of [false, true]) {
    for (const [error, expected] of thrown) {
      next = error
      for (const mode of ['session', 'tokens']) {
        const response = await post('/auth/login', { ...eve, mode })
        t.equal(codeOf(response), expected)
        t.same(response.cookies, [])
        t.notMatch(response.body, 'secret reason')
      }
    }
  }
  t.same(await app.portcullis.session.list('eve'), [])
  t.same(events, [], 'nothing has changed')
  next = Object.assign(new Error('Your account is closed.'), { statusCode: 403, code: 'MY_CLOSED', expose: true })
  const page = await post('/auth/sign-in', ofForm(eve), undefined, form)
  t.equal(page.statusCode, 403)
  t.match(page.body, 'Your account is closed.')
  t.equal(sessionOf(page), null)
})

t.test('a refused sign-in leaves the session that the client has', async t => {
  const { app, post, enter } = await start(t, { beforeSignIn () { throw Object.assign(new Error('no'), { statusCode: 403 }) } })
  const { cookie, sid } = await enter()
  t.equal((await post('/auth/login', eve, cookie)).statusCode, 403)
  t.ok(await app.portcullis.session.read(sid))
})

t.test('beforeSignIn may replace the scopes, and nothing else', async t => {
  let change: unknown = { scopes: ['orders:write'] }
  const { app, post } = await start(t, { beforeSignIn: async () => change as { scopes: string[] } })
  const sidOf = async (): Promise<string> => (await post('/auth/login', eve)).json<{ session: { sid: string } }>().session.sid
  t.same((await app.portcullis.session.read(await sidOf()))!.scopes, ['orders:write'])
  change = {}
  t.same((await app.portcullis.session.read(await sidOf()))!.scopes, ['orders:read'])
  for (change of [{ subject: 'ada' }, { scope: ['a'] }, { scopes: 'orders:write' }, { scopes: ['a b'] }, null, true, 'x']) t.equal(codeOf(await post('/auth/login', eve)), '500 PTC_ERR_INTERNAL', JSON.stringify(change))
})

t.test('a hook cannot change the facts by writing to them', async t => {
  const { app, post } = await start(t, { beforeSignIn: async (_request, facts) => { (facts.scopes as string[]).push('admin'); facts.subject = 'ada' } })
  const { session } = (await post('/auth/login', eve)).json<{ session: { sid: string, subject: string } }>()
  t.match(session, { subject: 'eve' })
  t.same((await app.portcullis.session.read(session.sid))!.scopes, ['orders:read'])
})

t.test('a hook that fails after the change is logged, and the answer stands', async t => {
  const lines: string[] = []
  const fail = async (): Promise<void> => { throw new Error('the mail server is gone') }
  const { post } = await start(t, { afterSignIn: fail, afterRefresh: () => { throw new Error('sync') }, afterSignOut: fail }, { register: app => { app.addHook('onRequest', async request => { request.log.error = ((_bindings: unknown, text: string) => { lines.push(text) }) as never }) } })
  const tokens = await post('/auth/login', { ...eve, mode: 'tokens' })
  t.equal(tokens.statusCode, 200)
  const refreshed = await post('/auth/refresh', undefined, sessionOf(tokens)!)
  t.equal(refreshed.statusCode, 200)
  t.equal((await post('/auth/logout', undefined, sessionOf(refreshed)!)).statusCode, 204)
  t.same(lines, ['the hook afterSignIn failed', 'the hook afterRefresh failed', 'the hook afterSignOut failed'])
})

t.test('a refresh that a hook refuses rotates nothing, and is counted', async t => {
  let isClosed = true
  const { post } = await start(t, { beforeRefresh () { if (isClosed) throw Object.assign(new Error('no'), { statusCode: 403, code: 'MY_CLOSED' }) } }, { limits: { refresh: { max: 3, window: '1h' } } })
  const cookie = sessionOf(await post('/auth/login', { ...eve, mode: 'tokens' }))!
  for (let number = 0; number < 3; number++) {
    const response = await post('/auth/refresh', undefined, cookie)
    t.equal(codeOf(response), '403 MY_CLOSED')
    t.same(response.cookies, [])
  }
  t.equal(codeOf(await post('/auth/refresh', undefined, cookie)), '429 PTC_ERR_RATE_LIMITED')
  isClosed = false
  t.equal(codeOf(await post('/auth/refresh', undefined, cookie)), '200', 'the token is still the newest one')
})

t.test('a refused refresh and a forged token run no hook', async t => {
  let runs = 0
  const { app, post } = await start(t, { beforeRefresh: () => { runs++ }, afterRefresh: () => { runs++ } })
  const cookie = sessionOf(await post('/auth/login', { ...eve, mode: 'tokens' }))!
  await app.portcullis.blocklist.revoke({ subject: 'eve' })
  t.equal(codeOf(await post('/auth/refresh', undefined, cookie)), '401 PTC_ERR_REFRESH_REFUSED')
  t.equal(codeOf(await post('/auth/refresh', undefined, '__Secure-portcullis-refresh=bad')), '401 PTC_ERR_REFRESH_REFUSED')
  t.equal(codeOf(await post('/auth/refresh')), '401 PTC_ERR_REFRESH_REFUSED')
  t.equal(runs, 0)
})

t.test('a hook refuses a sign-out, of every scope, and then nothing has ended', async t => {
  const scopes: string[] = []
  let isClosed = true
  const { app, post } = await start(t, { beforeSignOut (_request, { scope, subject, sids }) { scopes.push(`${scope} ${subject} ${sids.length}`); if (isClosed) throw Object.assign(new Error('no'), { statusCode: 409 }) } })
  const first = sessionOf(await post('/auth/login', eve))!
  await post('/auth/login', eve)
  for (const scope of ['this', 'others', 'all']) {
    const response = await post('/auth/logout', { scope }, first)
    t.equal(response.statusCode, 409)
    t.same(response.cookies, [])
  }
  t.equal((await app.portcullis.session.list('eve')).length, 2)
  isClosed = false
  t.equal((await post('/auth/logout', { scope: 'all' }, first)).statusCode, 204)
  t.equal((await app.portcullis.session.list('eve')).length, 0)
  t.equal((await post('/auth/logout')).statusCode, 204, 'without a session there is nothing to refuse')
  t.same(scopes, ['this eve 1', 'others eve 1', 'all eve 1', 'all eve 1'])
})

t.test('a subject that is signed out everywhere while a hook runs is not signed in', async t => {
  let cut = false
  const { app, post } = await start(t, { beforeSignIn: async request => { if (cut) await request.server.portcullis.blocklist.revoke({ subject: 'eve' }) } })
  await app.portcullis.blocklist.revoke({ subject: 'eve' })
  t.equal(codeOf(await post('/auth/login', eve)), '200', 'a cut before, in the same second, is none of this')
  cut = true
  const response = await post('/auth/login', eve)
  t.equal(codeOf(response), '401 PTC_ERR_LOGIN_REFUSED')
  t.equal(sessionOf(response), null)
  t.same(await app.portcullis.session.list('eve'), [])
})

t.test('a sign-in whose hooks cannot be followed by an open store is refused', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { post } = await buildSecondFactorApp(t, faulty.store, { hooks: { beforeSignIn: () => { faulty.fail() } } })
  t.equal(codeOf(await post('/auth/login', eve)), '503 PTC_ERR_STORE_UNAVAILABLE')
})

t.test('a hook that both groups of routes were given runs once, with its this', async t => {
  class Accounts implements SignInHooks {
    runs = 0
    async beforeSignIn (): Promise<void> { this.runs++ }
  }
  const hooks = new Accounts()
  const { store } = await createStore(t)
  const { post } = await buildSecondFactorApp(t, store, { routes: { hooks } })
  await post('/auth/login', eve)
  await post('/auth/sign-in', ofForm(eve), undefined, form)
  t.equal(hooks.runs, 2)
})
