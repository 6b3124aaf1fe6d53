import type { LightMyRequestResponse } from 'fastify'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import type { AuthenticateDemand } from '../../plugins/authenticate.ts'
import { buildApp, createFaultyStore, createStore, openFamily, openSession, origin, recordEvents, sessionCookieName, until } from '../helpers/build-app.ts'

/*
 * A handler that calls `identify` gives the same protection as a route with the hook, or an application that looks before it demands
 * is open to requests of other sites.
 */

const methods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

const demands = {
  any: { audience: 'orders' },
  session: { audience: 'orders', access: 'session' },
  token: { audience: 'orders', access: 'token' },
  forbidden: { audience: 'orders', scopes: ['orders:write'] },
  elsewhere: { audience: 'admin' },
  recent: { audience: 'orders', stepUp: { maxAge: '5m', methods: ['GET', 'POST'] } },
  strict: { audience: 'orders', consistency: 'strict' },
  basic: { audience: 'orders', access: 'session', ignoreBearer: true },
  public: { access: 'public' },
  'public-orders': { access: 'public', audience: 'orders', scopes: ['orders:write'] }
} satisfies Record<string, AuthenticateDemand>

const origins: Array<Record<string, string>> = [
  {},
  ...['same-origin', 'none', 'same-site', 'cross-site', 'unknown', ''].map(site => ({ 'sec-fetch-site': site })),
  ...[origin, 'https://evil.example', 'null', ''].map(name => ({ origin: name })),
  { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
  { 'sec-fetch-site': 'cross-site', origin }
]

async function build (t: Parameters<typeof createStore>[0]) {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await buildApp(t, faulty.store, { blocklist: { maxStaleness: '500ms' } }, app => {
    for (const [name, demand] of Object.entries(demands)) {
      app.route({ method: [...methods], url: `/hook/${name}`, onRequest: app.portcullis.authenticate(demand), handler: async ({ identityOrNull }) => ({ identity: identityOrNull }) })
      app.route({
        method: [...methods],
        url: `/function/${name}`,
        async handler (request) {
          const identity = await app.portcullis.identify(request, demand)
          return { identity: request.identity === identity ? request.identityOrNull : 'not the identity of the request' }
        }
      })
    }
  })
  return { app, advance, faulty }
}

interface Verdict { statusCode: number, code: string | null, identity: unknown, challenge: unknown, length: unknown }

function verdict ({ statusCode, headers, body }: LightMyRequestResponse): Verdict {
  const { identity = null, code = null } = body === '' ? {} : JSON.parse(body) as { identity?: unknown, code?: string }
  return { statusCode, code, identity, challenge: headers['www-authenticate'], length: headers['content-length'] }
}

/** For a public route the hook lets a request without an identity pass, and the function has no identity to give. */
function areAlike (byHook: Verdict, byFunction: Verdict, demand: AuthenticateDemand): boolean {
  if (isDeepStrictEqual(byHook, byFunction)) return true
  return demand.access === 'public' && byHook.statusCode === 200 && byHook.identity === null && byFunction.statusCode === 401 && [null, 'PTC_ERR_CREDENTIALS_MISSING'].includes(byFunction.code)
}

t.test('identify and the hook of authenticate judge every request alike', async t => {
  const { app, advance, faulty } = await build(t)
  const { cookie } = await openSession(app)
  const { token } = await openFamily(app)
  const { cookie: ended, sid } = await openSession(app, 'eve')
  await app.portcullis.blocklist.revoke({ sid })
  const authorization = `Bearer ${token}`
  const credentials: Array<Record<string, string>> = [
    {},
    { cookie },
    { authorization },
    { cookie, authorization },
    { cookie: ended },
    { cookie: `${cookie}; ${cookie}` },
    { cookie: `${sessionCookieName}=` },
    { authorization: 'Bearer no.token' },
    { authorization: 'Basic YWRhOmFkYQ==' }
  ]
  const codes = new Set<string | null>()
  const compare = async (names: Array<keyof typeof demands>, named: ReadonlyArray<(typeof methods)[number]>, presented: typeof credentials, from: typeof origins): Promise<void> => {
    const differences: object[] = []
    for (const name of names) {
      for (const [method, credential, site] of named.flatMap(method => presented.flatMap(credential => from.map(site => [method, credential, site] as const)))) {
        const headers = { ...credential, ...site }
        const [byHook, byFunction] = [verdict(await app.inject({ method, url: `/hook/${name}`, headers })), verdict(await app.inject({ method, url: `/function/${name}`, headers }))]
        codes.add(byHook.code)
        if (!areAlike(byHook, byFunction, demands[name])) differences.push({ method, name, presented: Object.keys(credential), site, byHook, byFunction })
      }
    }
    t.same(differences, [])
  }
  const all = Object.keys(demands) as Array<keyof typeof demands>
  await compare(all, ['GET', 'POST'], credentials, [{}])
  await compare(['any', 'recent', 'public'], methods, credentials, [{ 'sec-fetch-site': 'cross-site' }])
  await compare(['any', 'session', 'token', 'public'], ['GET', 'POST'], [{}, { cookie }, { authorization }], origins)

  advance(6 * 60_000)
  await compare(all, ['GET', 'POST', 'DELETE'], [{ cookie }, { authorization }], [{}])

  faulty.fail()
  await until(() => !app.portcullis.blocklist.isFresh())
  await compare(all, ['GET', 'POST'], [{}, { cookie }, { authorization }], [{}, { 'sec-fetch-site': 'same-site' }])
  t.same([...codes].sort(), [null, ...['AMBIGUOUS', 'MISSING'].map(code => `CREDENTIALS_${code}`), 'COOKIE_DUPLICATE', 'CSRF_REFUSED', 'SCOPE_INSUFFICIENT', 'SESSION_INVALID', 'STEP_UP_REQUIRED', 'STORE_UNAVAILABLE', 'TOKEN_INVALID'].map(code => code === null ? code : `PTC_ERR_${code}`).sort())
})

t.test('identify refuses a state change that another site has caused with the session cookie, and tells so once', async t => {
  const { app } = await build(t)
  const { cookie } = await openSession(app)
  const events = recordEvents(t)

  for (const site of ['cross-site', 'same-site']) {
    const response = await app.inject({ method: 'POST', url: '/function/any', headers: { cookie, 'sec-fetch-site': site } })
    t.equal(response.statusCode, 403)
    t.match(response.json(), { code: 'PTC_ERR_CSRF_REFUSED' })
  }
  t.same(events.map(({ event }) => event), ['csrf.refused', 'csrf.refused'])
})

t.test('a refusal by identify leaves the identity that the hook has set', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, {}, app => {
    app.post('/', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async request => {
      const more = await app.portcullis.identify(request, { audience: 'orders', scopes: ['admin'] }).catch((error: { code: string }) => error.code)
      return { more, subject: request.identity.subject }
    })
    app.post('/none', async request => {
      await app.portcullis.identify(request, { audience: 'orders', scopes: ['admin'] }).catch(() => {})
      return { identity: request.identityOrNull }
    })
  })
  const { cookie } = await openSession(app)

  t.same((await app.inject({ method: 'POST', url: '/', headers: { cookie } })).json(), { more: 'PTC_ERR_SCOPE_INSUFFICIENT', subject: 'ada' })
  t.same((await app.inject({ method: 'POST', url: '/none', headers: { cookie } })).json(), { identity: null })
})
