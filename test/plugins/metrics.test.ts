import fp from 'fastify-plugin'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { publish } from '../../lib/events.ts'
import { addPart } from '../../plugins/portcullis.ts'
import metrics from '../../plugins/metrics.ts'
import metricsRoutes from '../../routes/metrics.ts'
import { asAdmin, adminToken, scrape, startAdministered, type Scraped } from '../helpers/admin.ts'
import { buildApp, createServer, createStore, openFamily, openSession, until } from '../helpers/build-app.ts'
import { password, post, setCookies, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { createOutage } from '../helpers/outage.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startUpstream } from '../helpers/upstream.ts'

const verified = (metrics: Scraped, credential: string, outcome: string, cache: string) => metrics.value(`portcullis_verifications_total{credential="${credential}",outcome="${outcome}",cache="${cache}"}`)
const refreshed = (metrics: Scraped, outcome: string) => metrics.value(`portcullis_refresh_total{outcome="${outcome}"}`)
const revoked = (metrics: Scraped, kind: string) => metrics.value(`portcullis_revocations_total{kind="${kind}"}`)
const answered = (metrics: Scraped, upstream: string, status: number) => metrics.value(`portcullis_upstream_requests_total{upstream="${upstream}",status="${status}"}`)

async function get (url: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(url, { headers })
  await response.text()
  return response.status
}

t.test('every documented metric is there before anything has happened, each with help and type', async t => {
  const { admin } = await startAdministered(t)
  const response = await fetch(`${admin}/metrics`)
  t.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')

  const text = await response.text()

  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]))
  const expected = {
    portcullis_verifications_total: 'counter',
    portcullis_verification_seconds: 'histogram',
    portcullis_refresh_total: 'counter',
    portcullis_device_proofs_total: 'counter',
    portcullis_revocations_total: 'counter',
    portcullis_blocklist_entries: 'gauge',
    portcullis_blocklist_staleness_seconds: 'gauge',
    portcullis_sessions_opened_total: 'counter',
    portcullis_upstream_requests_total: 'counter',
    portcullis_upstream_seconds: 'histogram',
    portcullis_upstream_targets: 'gauge',
    portcullis_streams_open: 'gauge',
    portcullis_logins_total: 'counter',
    portcullis_provider_logins_total: 'counter',
    portcullis_provider_logouts_total: 'counter',
    portcullis_rate_limited_total: 'counter',
    portcullis_log_entries_total: 'counter',
    portcullis_build_info: 'gauge'
  }
  t.same(Object.fromEntries([...types].filter(([name]) => name.startsWith('portcullis_'))), expected)
  for (const name of types.keys()) t.ok(text.includes(`# HELP ${name} `), name)
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds']) t.ok(types.has(name), name)
  for (const line of text.split('\n')) t.match(line, /^(#.*|[a-z_][a-z0-9_]*(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? ([-+.\deE]+|NaN)|)$/i)
})

t.test('verifications are counted by credential, outcome, and whether they were remembered', async t => {
  const { url, admin, orders } = await startAdministered(t)
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  const [cookie, bearer] = [{ cookie: session.cookie }, { authorization: `Bearer ${tokens.token}` }]

  for (let i = 0; i < 3; i++) t.equal(await get(`${url}/orders/1`, cookie), 200)
  for (let i = 0; i < 5; i++) t.equal(await get(`${url}/orders/1`, bearer), 200)
  t.equal(await get(`${url}/orders/1`, { authorization: `Bearer ${tokens.token.slice(0, -4)}AAAA` }), 401)
  t.equal(await get(`${url}/orders/1`, { cookie: `${session.cookie.slice(0, -1)}!` }), 401)
  t.equal(await get(`${url}/orders/1`), 401)
  await post(`${admin}/admin/revocations`, { subject: 'ada' }, asAdmin)
  t.equal(await get(`${url}/orders/1`, bearer), 401)
  t.equal(await get(`${url}/orders/1`, cookie), 401)

  const metrics = await scrape(admin)
  t.equal(verified(metrics, 'session', 'accepted', 'miss'), 1)
  t.equal(verified(metrics, 'session', 'accepted', 'hit'), 2)
  t.equal(verified(metrics, 'token', 'accepted', 'miss'), 1)
  t.equal(verified(metrics, 'token', 'accepted', 'hit'), 4)
  t.equal(verified(metrics, 'token', 'refused', 'miss'), 1)
  t.equal(verified(metrics, 'token', 'refused', 'hit'), 1)
  t.equal((verified(metrics, 'session', 'refused', 'miss') ?? 0) + (verified(metrics, 'session', 'refused', 'hit') ?? 0), 2)
  t.equal(metrics.value('portcullis_verification_seconds_count'), 1, 'one in 64 is timed')
  t.equal(metrics.value('portcullis_verification_seconds_bucket{le="+Inf"}'), 1)
  t.ok((metrics.value('portcullis_verification_seconds_sum') ?? 0) > 0)
  t.equal(orders.requests.length, 8)
})

t.test('sign-ins, refreshes and revocations are counted by what became of them', async t => {
  const { url, admin } = await startAdministered(t, { refreshToken: { overlap: '0s', retryWindow: '0s' } })
  await signIn(url)
  const tokens = await signInForTokens(url)
  t.equal((await post(`${url}/auth/login`, { username: 'ada', password: 'wrong' })).status, 401)
  const refresh = async (cookie: string) => await post(`${url}/auth/refresh`, undefined, { cookie })

  const next = await refresh(tokens.cookie)
  t.equal(next.status, 200)
  t.equal((await refresh('__Secure-portcullis-refresh=forged')).status, 401)
  t.equal((await refresh(tokens.cookie)).status, 401, 'used before')
  t.equal((await refresh(`__Secure-portcullis-refresh=${setCookies(next)['__Secure-portcullis-refresh'] ?? ''}`)).status, 401, 'revoked by that')
  const other = await signIn(url)
  t.equal((await post(`${url}/auth/logout`, undefined, { cookie: other.cookie })).status, 204)
  t.equal((await post(`${url}/auth/logout`, undefined, { cookie: other.cookie })).status, 204)
  t.equal((await post(`${url}/auth/logout`, { scope: 'all' }, { cookie: (await signIn(url)).cookie })).status, 204)
  for (const body of [{ jti: 'j' }, { subject: 'bob' }]) await post(`${admin}/admin/revocations`, body, asAdmin)

  const metrics = await scrape(admin)
  t.equal(metrics.value('portcullis_sessions_opened_total'), 4)
  t.same(['rotated', 'forged', 'reused', 'revoked', 'held'].map(outcome => refreshed(metrics, outcome)), [1, 1, 1, 1, 0])
  t.same(['sid', 'jti', 'subject', 'all'].map(kind => revoked(metrics, kind)), [2, 1, 2, 0])
  t.equal(metrics.value('portcullis_blocklist_entries'), 5)
})

t.test('requests to services are counted by prefix and status, however many paths there are', async t => {
  const service = await startUpstream(t, (request, response) => { response.writeHead(Number(request.url?.slice(-3)) || 200).end() })
  const { url, admin } = await startAdministered(t, {
    upstreams: [{ prefix: '/open', target: service.url, access: 'public' }, { prefix: '/gone', target: `http://127.0.0.1:${await findClosedPort()}`, access: 'public' }]
  })

  for (const path of ['/open/a', '/open/b', '/open/404', '/open/503', '/gone/a']) await get(`${url}${path}`)

  const metrics = await scrape(admin)
  t.same([200, 404, 503, 502].map(status => answered(metrics, '/open', status)), [2, 1, 1, undefined])
  t.equal(answered(metrics, '/gone', 502), 1)
  t.equal(metrics.value('portcullis_upstream_seconds_count{upstream="/open"}'), 4)
  t.equal(metrics.value('portcullis_upstream_seconds_bucket{upstream="/gone",le="+Inf"}'), 1)
  t.equal(metrics.value('portcullis_upstream_seconds_count{upstream="/gone"}'), 1)
  t.equal([...metrics.text.matchAll(/^portcullis_upstream_requests_total\{/gm)].length, 4)
})

t.test('while the store is away its silence grows, and verifications are unavailable', async t => {
  const outage = createOutage()
  const { url, admin } = await startAdministered(t, { revocation: { maxStaleness: '200ms' } }, outage)
  const { cookie } = await signIn(url)
  const staleness = async () => (await scrape(admin)).value('portcullis_blocklist_staleness_seconds') ?? 0
  t.ok(await staleness() < 1)

  outage.begin()
  await until(async () => await get(`${admin}/readyz`) === 503)
  const before = await staleness()
  await wait(50)
  t.ok(await staleness() > before)
  t.equal(await get(`${url}/orders/1`, { cookie }), 503)
  t.equal(verified(await scrape(admin), 'session', 'unavailable', 'miss'), 1)
})

/*
 * Whoever may look at dashboards may not act as a user, so nothing that a client sends becomes part of a metric.
 */
t.test('no secret, token, cookie, jti, subject or path is in the metrics', async t => {
  const { url, admin } = await startAdministered(t)
  const [session, tokens] = [await signIn(url), await signInForTokens(url, 'zebra')]
  const { jti } = JSON.parse(Buffer.from(tokens.token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }
  await get(`${url}/orders/a-very-private-path?x=y`, { cookie: session.cookie })
  await get(`${url}/orders/a-very-private-path`, { authorization: `Bearer ${tokens.token}`, 'user-agent': 'a-private-agent' })
  await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })
  await post(`${url}/auth/login`, { username: 'a-wrong-name', password: 'x' })
  await post(`${admin}/admin/revocations`, { jti }, asAdmin)

  const { text } = await scrape(admin)

  const secrets = [session.cookie.split('=')[1]!, tokens.cookie.split('=')[1]!, tokens.token, tokens.token.split('.')[2]!, jti, session.sid, tokens.sid, adminToken, password, 'zebra', 'a-very-private-path', 'a-private-agent', 'a-wrong-name', '127.0.0.1']
  for (const secret of secrets) t.notOk(text.includes(secret), secret)
})

t.test('sign-ins, step-ups and requests over a budget are counted', async t => {
  const { url, admin } = await startAdministered(t, { rateLimit: { signIn: { max: 5, window: '1m' } } })
  const { cookie } = await signIn(url)
  await signInForTokens(url)
  t.equal((await post(`${url}/auth/step-up`, { password: 'wrong' }, { cookie })).status, 401)
  t.equal((await post(`${url}/auth/step-up`, { password }, { cookie })).status, 200)
  const statuses: number[] = []
  for (let i = 0; i < 6; i++) statuses.push((await post(`${url}/auth/login`, { username: 'eve', password: 'wrong' })).status)

  const { value } = await scrape(admin)
  const refused = statuses.filter(status => status === 401).length
  t.same(['accepted', 'refused', 'step_up', 'step_up_refused'].map(outcome => value(`portcullis_logins_total{outcome="${outcome}"}`)), [2, refused, 1, 1])
  t.equal(value('portcullis_rate_limited_total{budget="signIn"}'), 6 - refused)
  t.ok(refused < 6)
  t.equal(value('portcullis_rate_limited_total{budget="refresh"}'), 0)
})

t.test('what the command line revokes is counted by every gateway that hears of it', async t => {
  const { app, admin, store } = await startAdministered(t)
  await store.revokeSubject('ada', { exceptSid: null, keepForMs: 60_000 })
  await until(() => app.portcullis.blocklist.size === 1)

  const { value } = await scrape(admin)

  t.equal(value('portcullis_log_entries_total{kind="subject"}'), 1)
  t.equal(value('portcullis_revocations_total{kind="subject"}'), 0)
})

t.test('the versions that run are a metric', async t => {
  const { text } = await scrape((await startAdministered(t)).admin)

  t.match(text, new RegExp(`^portcullis_build_info\\{version="\\d+\\.\\d+\\.\\d+",node="${process.versions.node}"\\} 1$`, 'm'))
})

/*
 * The rules of `promtool check metrics`: a counter ends with _total and nothing else does, no name has a type or an abbreviated unit in
 * it, base units alone, a help for each, no reserved label.
 */
t.test('names, helps and labels of our metrics keep the rules of Prometheus', async t => {
  const { text } = await scrape((await startAdministered(t)).admin)

  for (const [, name = ''] of text.matchAll(/^# TYPE (portcullis_\S+) \S+$/gm)) {
    t.notMatch(name, /_(?:counter|gauge|histogram|summary|count|sum|bucket|ms|millis|milliseconds|minutes|hours|kb|kib|mb|percent)(?:_|$)/, name)
    t.notMatch(name, /[A-Z]|__/, name)
    t.match(text, new RegExp(`^# HELP ${name} \\S.+\\.$`, 'm'), name)
  }
  for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) t.equal(name.endsWith('_total'), type === 'counter', name)
  for (const [, label = ''] of text.matchAll(/[{,]([a-zA-Z_]+)="/g)) t.notMatch(label, /[A-Z]|^__|^(?:instance|job)$/, label)
})

t.test('two servers in one process count each for itself, in an application of one\'s own too', async t => {
  const { store } = await createStore(t)
  const build = async () => await buildApp(t, store, {}, async app => {
    await app.register(metrics)
    await app.register(metricsRoutes, { prefix: '/operators' })
  })
  const [one, other] = [await build(), await build()]
  await openSession(one)
  await openFamily(one)
  await openSession(other)
  addPart(one, 'streams', { open: 1, add () {}, keep () {}, delete () {} })

  const [first, second] = await Promise.all([one, other].map(async app => (await app.inject('/operators/metrics')).body))

  t.match(first, /^portcullis_sessions_opened_total 2$/m)
  t.match(second, /^portcullis_sessions_opened_total 1$/m)
  t.match(first, /^portcullis_streams_open 1$/m)
  t.match(second, /^portcullis_streams_open 0$/m)
})

t.test('the plugin does not boot without the blocklist, and refuses what is no option', async t => {
  await t.rejects(async () => { await createServer(t).register(metrics) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
  const server = createServer(t)
  await server.register(fp(async () => {}, { name: 'portcullis-blocklist' }))

  await t.rejects(async () => { await server.register(metrics, { prefixx: 'x' } as unknown as Parameters<typeof metrics>[1]) }, { code: 'PTC_ERR_CONFIG_INVALID', message: 'portcullis-metrics: prefixx is not an option' })
})

t.test('sign-ins and logouts of identity providers are counted by provider, from zero, and reasons are no labels', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, {}, async app => { await app.register(metrics) })
  const series = async (name: string): Promise<Record<string, number>> => Object.fromEntries([...(await app.portcullis.metrics.text()).matchAll(new RegExp(`^portcullis_${name}\\{provider="(\\w+)",outcome="(\\w+)"\\} (\\d+)$`, 'gm'))].map(([, provider = '', outcome = '', value = '']) => [`${provider} ${outcome}`, Number(value)]))
  t.same(await series('provider_logins_total'), {})

  publish({ event: 'login.started', provider: 'corp' }, app.portcullis)
  t.same(await series('provider_logins_total'), { 'corp started': 1, 'corp accepted': 0, 'corp refused': 0, 'corp step_up': 0 })
  t.same(await series('provider_logouts_total'), { 'corp ended': 0, 'corp repeated': 0, 'corp refused': 0, 'corp failed': 0 })
  publish({ event: 'login.refused', provider: 'corp', outcome: 'nonce' }, app.portcullis)
  publish({ event: 'step_up.done', provider: 'corp' }, app.portcullis)
  publish({ event: 'session.opened', provider: 'corp', outcome: 'session' }, app.portcullis)
  publish({ event: 'session.opened', outcome: 'session' }, app.portcullis)
  for (const outcome of ['ended', 'repeated', 'refused', 'failed', 'unheard-of']) publish({ event: 'provider.logout', provider: 'corp', outcome }, app.portcullis)

  t.same(await series('provider_logins_total'), { 'corp started': 1, 'corp accepted': 1, 'corp refused': 1, 'corp step_up': 1 })
  t.same(await series('provider_logouts_total'), { 'corp ended': 1, 'corp repeated': 1, 'corp refused': 1, 'corp failed': 2 })
})
