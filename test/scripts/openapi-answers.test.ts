import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import type { Store } from '../../stores/store.ts'
import { adminToken, startAdministered } from '../helpers/admin.ts'
import { password, signIn, signInForTokens, type StartOptions } from '../helpers/build-gateway.ts'
import { challengeOf, createDevice, refresh as challengeFor, signInBound, signInToBind } from '../helpers/device.ts'
import { foreignClaims, foreignKey, signForeign } from '../helpers/foreign-issuer.ts'
import { AnswerChecker, resolveAnswers } from '../helpers/openapi.ts'
import { createOutage } from '../helpers/outage.ts'
import { send, type ToSend } from '../helpers/send.ts'
import { findClosedPort } from '../helpers/closed-port.ts'

/*
 * Every answer that docs/reference/openapi.json promises is asked for, over HTTP, and compared with what it says: status, code, media type,
 * body and headers. At the end nothing may be left that was promised and not seen, so the document can neither say too much nor
 * too little.
 */
const checker = new AnswerChecker(resolveAnswers(await readFile(new URL('../../docs/reference/openapi.json', import.meta.url), 'utf8')))

type Ask = (operationId: string, status: number, code?: string, sent?: ToSend, path?: string) => Promise<string>

const requests: Record<string, string> = {
  login: 'POST /auth/login',
  refresh: 'POST /auth/refresh',
  stepUp: 'POST /auth/step-up',
  logout: 'POST /auth/logout',
  getSession: 'GET /auth/session',
  listSessions: 'GET /auth/sessions',
  endSession: 'DELETE /auth/sessions/AAAAAAAAAAAAAAAAAAAAAA',
  registerDevice: 'POST /auth/device/register',
  refreshDevice: 'POST /auth/device/refresh',
  getKeys: 'GET /.well-known/jwks.json',
  getHealth: 'GET /healthz',
  getReadiness: 'GET /readyz',
  getMetrics: 'GET /metrics',
  listSessionsOf: 'GET /admin/sessions?subject=ada',
  revoke: 'POST /admin/revocations'
}
const administrative = ['getHealth', 'getReadiness', 'getMetrics', 'listSessionsOf', 'revoke']
const withBody = ['login', 'refresh', 'stepUp', 'logout', 'endSession', 'registerDevice', 'refreshDevice', 'revoke']
const ofDevices = ['registerDevice', 'refreshDevice']
/** A body that each of them takes. */
const bodies: Record<string, object> = { login: { username: 'ada', password }, refresh: {}, stepUp: { password }, logout: {}, revoke: { sid: 'AAAAAAAAAAAAAAAAAAAAAA' } }

const asAdmin = ['authorization', `Bearer ${adminToken}`]
const badSession = ['cookie', '__Host-Http-portcullis=bad']
const badRefresh = ['cookie', '__Secure-portcullis-refresh=bad']
const badToken = ['authorization', 'Bearer bad']
const cookie = (text: string): string[] => ['cookie', text]
const bearer = (token: string): string[] => ['authorization', `Bearer ${token}`]

async function start (t: Test, overrides: Partial<ConfigInput> = {}, options: StartOptions = {}): Promise<Awaited<ReturnType<typeof startAdministered>> & { ask: Ask }> {
  const gateway = await startAdministered(t, { limits: { body: '1KiB' }, session: { deviceBound: {} }, ...overrides }, options)
  const ask: Ask = async (operationId, status, code = '', sent = {}, path) => {
    const [method = '', known = ''] = requests[operationId]!.split(' ')
    const isAdmin = administrative.includes(operationId)
    const answer = await send(method, `${isAdmin ? gateway.admin : gateway.url}${path ?? known}`, sent)
    t.same([answer.status, answer.code], [status, code], `${operationId}: ${answer.text}`)
    checker.check(t, operationId, answer)
    return answer.text
  }
  return { ...gateway, ask }
}

t.test('endpoints answer what is described when they do what they are asked', async t => {
  const { ask, url, app } = await start(t)
  await ask('login', 200, '', { body: { username: 'ada', password } })
  await ask('login', 200, '', { body: { username: 'ada', password, mode: 'tokens' } })
  const [session, other, tokens] = [await signIn(url), await signIn(url), await signInForTokens(url)]
  await ask('getSession', 200, '', { headers: cookie(session.cookie) })
  await ask('listSessions', 200, '', { headers: bearer(tokens.token) })
  await ask('listSessionsOf', 200, '', { headers: asAdmin })
  await ask('stepUp', 200, '', { headers: cookie(tokens.cookie), body: { password } })
  await ask('endSession', 204, '', { headers: cookie(session.cookie) }, `/auth/sessions/${other.sid}`)
  await ask('stepUp', 200, '', { headers: cookie(session.cookie), body: { password } })
  const { cookie: fresh } = await signInForTokens(url)
  await ask('refresh', 200, '', { headers: cookie(fresh) })
  await ask('logout', 204, '', { headers: cookie(fresh) })
  await ask('logout', 204, '', { headers: cookie((await signIn(url)).cookie), body: { scope: 'others' } })
  await ask('logout', 204)
  const { cookie: bound, challenge, sid } = await signInToBind(url)
  const device = createDevice()
  await ask('registerDevice', 200, '', { headers: [...cookie(bound), 'secure-session-response', device.register(challenge)] })
  const next = challengeOf(await challengeFor(url, bound, sid))
  await ask('refreshDevice', 200, '', { headers: [...cookie(bound), 'sec-secure-session-id', sid, 'secure-session-response', device.refresh(next)] })
  await ask('revoke', 202, '', { headers: asAdmin, body: { subject: 'ada' } })
  for (const operation of ['getKeys', 'getHealth', 'getReadiness', 'getMetrics']) await ask(operation, 200)
  app.portcullis.health.leave()
  await ask('getReadiness', 503)
})

t.test('endpoints answer what is described to requests that are malformed', async t => {
  const { ask, url } = await start(t)
  for (const operation of Object.keys(requests)) await ask(operation, 400, 'PTC_ERR_REQUEST_INVALID', { headers: ['host', 'another.example'] })
  const { cookie: session } = await signIn(url)
  const headersOf: Record<string, string[]> = { revoke: asAdmin, endSession: cookie(session) }
  for (const operation of withBody) {
    const headers = headersOf[operation] ?? []
    await ask(operation, 413, 'PTC_ERR_BODY_TOO_LARGE', { headers, body: { more: 'x'.repeat(2000) } })
    await ask(operation, 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED', { headers: [...headers, 'content-type', 'text/plain'], body: 'plain' })
    if (operation in bodies) await ask(operation, 400, 'PTC_ERR_REQUEST_INVALID', { headers, body: { unknown: true } })
  }
  await ask('listSessionsOf', 400, 'PTC_ERR_REQUEST_INVALID', { headers: asAdmin }, '/admin/sessions')
  await ask('endSession', 404, 'PTC_ERR_NOT_FOUND', {}, `/auth/sessions/${'a'.repeat(300)}`)
  await ask('getSession', 431, 'PTC_ERR_HEADERS_TOO_LARGE', { headers: ['x-long', 'x'.repeat(20_000)] })
})

t.test('endpoints answer what is described to credentials that are not good', async t => {
  const { ask, url, advance } = await start(t)
  const session = cookie((await signIn(url)).cookie)
  const twice = (name: string): string[] => cookie(`${name}=a; ${name}=b`)
  for (const operation of ['login', 'stepUp', 'logout', 'getSession', 'listSessions', 'endSession', ...ofDevices]) {
    await ask(operation, 400, 'PTC_ERR_COOKIE_DUPLICATE', { headers: twice('__Host-Http-portcullis'), ...operation in bodies ? { body: bodies[operation]! } : {} })
  }
  await ask('refresh', 400, 'PTC_ERR_COOKIE_DUPLICATE', { headers: twice('__Secure-portcullis-refresh') })
  for (const operation of ['login', 'refresh', 'stepUp', 'logout', 'endSession', 'listSessionsOf', 'revoke', ...ofDevices]) await ask(operation, 403, 'PTC_ERR_CSRF_REFUSED', { headers: ['sec-fetch-site', 'cross-site', ...asAdmin] })

  const all = { body: { scope: 'all' } }
  const given: Record<string, ToSend> = { stepUp: { body: { password } }, logout: all }
  for (const operation of ['stepUp', 'logout', 'getSession', 'listSessions', 'endSession']) {
    await ask(operation, 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS', { ...given[operation], headers: [...session, ...badToken] })
    await ask(operation, 401, 'PTC_ERR_CREDENTIALS_MISSING', given[operation])
    await ask(operation, 401, 'PTC_ERR_SESSION_INVALID', { ...given[operation], headers: badSession })
    if (operation !== 'stepUp') await ask(operation, 401, 'PTC_ERR_TOKEN_INVALID', { ...given[operation], headers: badToken })
  }
  const bound = await signInBound(url)
  await ask('registerDevice', 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', { headers: session })
  await ask('registerDevice', 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', { headers: cookie(bound.cookie) })
  await ask('refreshDevice', 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', { headers: [...cookie(bound.cookie), 'sec-secure-session-id', bound.sid] })
  for (const operation of ofDevices) {
    await ask(operation, 401, 'PTC_ERR_CREDENTIALS_MISSING')
    await ask(operation, 401, 'PTC_ERR_SESSION_INVALID', { headers: badSession })
  }
  for (const operation of ['listSessionsOf', 'revoke']) {
    await ask(operation, 401, 'PTC_ERR_CREDENTIALS_MISSING')
    await ask(operation, 401, 'PTC_ERR_TOKEN_INVALID', { headers: badToken })
    await ask(operation, 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS', { headers: [...asAdmin, ...badToken] })
  }
  await ask('login', 401, 'PTC_ERR_LOGIN_REFUSED', { body: { username: 'ada', password: 'wrong' } })
  await ask('login', 400, 'PTC_ERR_AUDIENCE_UNKNOWN', { body: { username: 'ada', password, audience: ['nobody'] } })
  await ask('stepUp', 401, 'PTC_ERR_LOGIN_REFUSED', { headers: session, body: { password: 'wrong' } })
  await ask('stepUp', 401, 'PTC_ERR_REFRESH_REFUSED', { headers: badRefresh, body: { password } })
  await ask('logout', 401, 'PTC_ERR_REFRESH_REFUSED', { headers: badRefresh, ...all })
  await ask('refresh', 401, 'PTC_ERR_REFRESH_REFUSED', { headers: badRefresh })
  await ask('refresh', 400, 'PTC_ERR_AUDIENCE_UNKNOWN', { headers: cookie((await signInForTokens(url)).cookie), body: { audience: ['nobody'] } })
  await ask('endSession', 404, 'PTC_ERR_SESSION_NOT_FOUND', { headers: session })
  advance(6 * 60_000)
  await ask('endSession', 401, 'PTC_ERR_STEP_UP_REQUIRED', { headers: session })
  await ask('logout', 401, 'PTC_ERR_STEP_UP_REQUIRED', { headers: session, body: { scope: 'others' } })
})

t.test('endpoints answer what is described while the store is away', async t => {
  const outage = createOutage()
  const { ask, url } = await start(t, {}, { wrapStore: outage.wrapStore })
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  outage.begin()

  await ask('login', 503, 'PTC_ERR_STORE_UNAVAILABLE', { body: { username: 'ada', password } })
  await ask('refresh', 503, 'PTC_ERR_STORE_UNAVAILABLE', { headers: cookie(tokens.cookie) })
  for (const operation of ['stepUp', 'logout', 'getSession', 'listSessions', 'endSession', ...ofDevices]) await ask(operation, 503, 'PTC_ERR_STORE_UNAVAILABLE', { headers: cookie(session.cookie), ...operation in bodies ? { body: bodies[operation]! } : {} })
  await ask('listSessionsOf', 503, 'PTC_ERR_STORE_UNAVAILABLE', { headers: asAdmin })
  await ask('revoke', 503, 'PTC_ERR_STORE_UNAVAILABLE', { headers: asAdmin, body: bodies['revoke']! })
  outage.end()
})

t.test('endpoints answer what is described when a budget is used up', async t => {
  const { ask, url } = await start(t, { rateLimit: { signIn: { max: 3, window: '1h' }, refresh: { max: 1, window: '1h' } } })
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  await ask('refresh', 200, '', { headers: cookie(tokens.cookie) })
  await ask('refresh', 429, 'PTC_ERR_RATE_LIMITED', { headers: cookie(tokens.cookie) })
  for (let attempt = 0; attempt < 3; attempt++) await ask('stepUp', 401, 'PTC_ERR_LOGIN_REFUSED', { headers: cookie(session.cookie), body: { password: 'wrong' } })
  await ask('stepUp', 429, 'PTC_ERR_RATE_LIMITED', { headers: cookie(session.cookie), body: { password } })
  await ask('login', 429, 'PTC_ERR_RATE_LIMITED', { body: { username: 'ada', password } })
  await ask('registerDevice', 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', { headers: cookie(session.cookie) })
  for (const operation of ofDevices) await ask(operation, 429, 'PTC_ERR_RATE_LIMITED', { headers: cookie(session.cookie) })
})

t.test('endpoints answer what is described while the keys of another issuer are away', async t => {
  const issuer = 'https://idp.example.com'
  const { ask } = await start(t, { issuers: [{ name: 'idp', issuer, jwksUri: `https://127.0.0.1:${await findClosedPort()}`, algorithms: ['ES256'] }] })
  const headers = bearer(signForeign(foreignKey('k1'), foreignClaims(issuer)))

  for (const operation of ['getSession', 'listSessions', 'endSession']) await ask(operation, 503, 'PTC_ERR_ISSUER_UNAVAILABLE', { headers })
  await ask('logout', 503, 'PTC_ERR_ISSUER_UNAVAILABLE', { headers, body: { scope: 'all' } })
})

t.test('endpoints answer what is described of a session of another origin', async t => {
  const wrapStore = (store: Store): Store => ({ ...store, open: async session => await store.open({ ...session, origin: 'https://other.example.com' }), nowMs: () => store.nowMs() })
  const { ask, url } = await start(t, {}, { wrapStore })
  const { sid } = await signIn(url)

  await ask('revoke', 404, 'PTC_ERR_SESSION_NOT_FOUND', { headers: asAdmin, body: { sid } })
})

t.test('endpoints answer what is described when something is broken', async t => {
  const { ask } = await start(t, { identity: async () => { throw new Error('the directory is on fire') } })

  await ask('login', 500, 'PTC_ERR_INTERNAL', { body: { username: 'ada', password } })
})

t.test('no answer is described that nobody gets', async t => {
  // Answers to sessions of an identity provider: test/routes/providers.test.ts.
  t.same(checker.promised.filter(answer => !checker.seen.has(answer) && !['logout 200', 'stepUp 401 PTC_ERR_STEP_UP_REQUIRED'].includes(answer.trim())), [])
})
