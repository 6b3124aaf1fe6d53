import t from 'tap'
import { startAdministered } from '../helpers/admin.ts'
import { startGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'

/*
 * The attack: a door for those who are no users. Health checks of load balancers, crawlers, monitoring, preflights: a gateway that
 * knows them by what they say of themselves lets in whoever says the same. Here nobody is let off: no User-Agent, no address, no
 * path and no header stands for a credential, and what operators ask is on a listener of its own.
 */

const claims: Array<Record<string, string>> = [
  ...['GoogleHC/1.0', 'kube-probe/1.33', 'ELB-HealthChecker/2.0', 'Amazon-Route53-Health-Check-Service', 'Consul Health Check', 'Prometheus/3.0', 'Googlebot/2.1', 'curl/8', 'portcullis', ''].map(agent => ({ 'user-agent': agent })),
  { 'x-forwarded-uri': '/healthz' }, { 'x-forwarded-path': '/public' }, { 'x-original-url': '/healthz' }, { 'x-original-uri': '/healthz' }, { 'x-rewrite-url': '/' }, { 'x-forwarded-method': 'OPTIONS' }, { 'x-forwarded-prefix': '/public' },
  { 'x-forwarded-for': '127.0.0.1' }, { 'x-real-ip': '10.0.0.1' }, { forwarded: 'for=127.0.0.1;proto=https' }, { 'x-forwarded-proto': 'https' }, { 'x-auth-subject': 'admin' }, { 'x-authenticated': 'true' }, { 'x-internal': '1' }, { 'x-middleware-subrequest': 'middleware:middleware:middleware:middleware:middleware' },
  { 'x-envoy-internal': 'true' }, { 'x-forwarded-user': 'admin' }, { 'remote-user': 'admin' }, { 'x-remote-user': 'admin' }, { 'x-webauth-user': 'admin' }, { 'x-client-cert': 'x' }, { 'client-cert': ':AAAA:' }, { 'ssl-client-verify': 'SUCCESS' },
  { accept: 'text/event-stream' }, { 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-mode': 'navigate' }, { purpose: 'prefetch' }, { referer: 'https://app.example.com/' }, { origin: 'https://app.example.com' }
]

t.test('nothing that a client says of itself stands for a credential', async t => {
  const { url, orders, billing } = await startGateway(t)
  for (const headers of claims) {
    for (const line of ['GET /orders', 'HEAD /orders', 'OPTIONS /orders', 'GET /orders/healthz', 'HEAD /orders/.well-known/health', 'OPTIONS /orders/health', 'GET /billing/robots.txt', 'GET /billing/favicon.ico', 'GET /orders/metrics', 'GET /auth/session', 'HEAD /auth/session', 'GET /auth/sessions']) {
      const [method = '', path = ''] = line.split(' ')
      t.equal((await fetch(`${url}${path}`, { method, headers })).status, 401, `${line} ${JSON.stringify(headers)}`)
    }
  }
  t.same([...orders.requests, ...billing.requests], [])
})

t.test('what is for operators is not where clients are, and tells nothing without their token', async t => {
  const { url, admin } = await startAdministered(t)
  for (const headers of claims) {
    for (const path of ['/healthz', '/readyz', '/metrics', '/admin/sessions?subject=ada', '/admin/revocations', '/documentation', '/docs', '/openapi.json', '/.env', '/debug']) {
      t.equal((await fetch(`${url}${path}`, { headers })).status, 404, path)
    }
    // Whatever comes with Origin comes from a page, which has no business there.
    const isPage = 'origin' in headers
    await assertProblem(t, await fetch(`${admin}/admin/sessions?subject=ada`, { headers }), isPage ? 403 : 401, isPage ? 'PTC_ERR_CSRF_REFUSED' : 'PTC_ERR_CREDENTIALS_MISSING')
  }
  t.notMatch(await (await fetch(`${admin}/metrics`)).text(), /ada|sid=|subject=/)
})
