import t from 'tap'
import { origin } from '../helpers/build-gateway.ts'
import { sendRaw, startProxy } from '../helpers/proxy.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { readAnswer, valuesOf } from '../helpers/wire.ts'

/*
 * The attack: a service behind one prefix installs a service worker for the whole origin. Browsers limit a worker to the directory
 * of its script, unless the answer with the script has Service-Worker-Allowed; then the worker sees each request of the origin,
 * the password that is posted to the sign-in page among them. A script at the bare prefix (`/app`) has the directory of its parent
 * without any header. Other fields are for the whole origin, too, whichever path they come from.
 */

/** What browsers take for the greatest scope of the worker whose script is at `path` (Service Workers, "Update"). */
function greatestScope (path: string, allowed: string | undefined): string | null {
  const scope = new URL(allowed ?? './', `${origin}${path}`)
  return scope.origin === origin ? scope.pathname : null
}

/** Asks `path` of an upstream that answers with `lines`. */
async function ask (t: Parameters<typeof startProxy>[0], prefix: string, path: string, lines: string[]) {
  const upstream = await startRawUpstream(t, socket => { socket.write(['HTTP/1.1 200 OK', 'Content-Type: text/javascript', 'Content-Length: 2', ...lines, '', 'ok'].join('\r\n'), 'latin1') })
  const { port } = await startProxy(t, [{ prefix, target: upstream.url }])
  const answer = readAnswer(await sendRaw(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nService-Worker: script\r\nConnection: close\r\n\r\n`).ended)
  t.equal(answer.status, 200)
  return answer
}

const beyond = [
  '/', '', '.', '..', '../', './..', '../../', '//', '/auth', '/auth/', '/auth/sign-in', '/app', '/app-of-others', '/APP/', '/ap', '/app/..', '/app/../', '/app/%2e%2e/', '/app/.%2E/auth', '\\', '..\\..\\', '/app\\..\\', '/%61pp/', '/./', '\t/', '?', '#',
  `${origin}/`, `${origin}`, `${origin}/auth/`, 'https://evil.example/app/', 'http://app.example.com/app/', 'https://app.example.com:8443/app/', '//app.example.com/', '//evil.example/app/', 'https:/', 'https:', 'javascript:1', 'https://[/app/', '/app/, /', '/, /app/', '"/app/"', '/app\xe9/'
]

const within = ['/app/', '/app/js/', '/app/deep/er', './', '../', '.', '..', '/app/./', '/app/js/../', '//app.example.com/app/', `${origin}/app/`, `${origin}/app/x`, 'HTTPS://APP.example.com:443/app/', '/app/caf\xe9/', '/app/%2e/', '/auth/../app/', '?x', '']

t.test('no answer of a service permits a worker beyond its prefix', async t => {
  const path = '/app/sw.js'
  for (const value of beyond) {
    const isInside = greatestScopeOrNull(path, value)?.startsWith('/app/') === true && !value.includes(',')
    const answer = await ask(t, '/app', path, [`Service-Worker-Allowed: ${value}`])
    t.strictSame(valuesOf(answer, 'service-worker-allowed'), isInside ? [value.trim()] : [], JSON.stringify(value))
  }
  t.notOk(['/', '..', '/app', '/app/..', '\\', `${origin}/`].some(value => greatestScope(path, value)?.startsWith('/app/')), 'and browsers read these so')
  for (const name of ['service-worker-allowed', 'SERVICE-WORKER-ALLOWED', 'Service-worker-Allowed']) {
    t.strictSame(valuesOf(await ask(t, '/app', path, [`${name}: /`]), 'service-worker-allowed'), [], name)
    t.strictSame(valuesOf(await ask(t, '/app', path, [`${name}: /app/`, `${name}: /`]), 'service-worker-allowed'), [], `${name} twice`)
    t.strictSame(valuesOf(await ask(t, '/app', path, [`${name}: /app/`, `${name}: /app/`]), 'service-worker-allowed'), [], `${name} twice, both within`)
  }
})

function greatestScopeOrNull (path: string, value: string): string | null {
  return URL.canParse(value, `${origin}${path}`) ? greatestScope(path, value) : null
}

t.test('what a service permits within its prefix passes', async t => {
  for (const value of within) {
    const answer = await ask(t, '/app', '/app/deep/sw.js', [`Service-Worker-Allowed: ${value}`])
    t.strictSame(valuesOf(answer, 'service-worker-allowed'), [value], JSON.stringify(value))
  }
  t.strictSame(valuesOf(await ask(t, '/', '/sw.js', ['Service-Worker-Allowed: /']), 'service-worker-allowed'), ['/'], 'an upstream at / has the origin')
})

t.test('a script at the bare prefix has no scope beyond the prefix', async t => {
  for (const [prefix, path] of [['/app', '/app'], ['/app', '/app?x=/app/'], ['/a/b', '/a/b']] as const) {
    for (const lines of [[], ['Service-Worker-Allowed: /'], ['Service-Worker-Allowed: ./'], ['Service-Worker-Allowed: /', 'Service-Worker-Allowed: /']]) {
      const [allowed, ...more] = valuesOf(await ask(t, prefix, path, lines), 'service-worker-allowed')
      t.strictSame(more, [])
      t.equal(greatestScope(path, allowed), `${prefix}/`, `${path} ${lines.join()}`)
    }
  }
  t.strictSame(valuesOf(await ask(t, '/app', '/app/', []), 'service-worker-allowed'), [], 'elsewhere nothing is added')
})

t.test('a service behind a prefix neither moves the origin nor has all its requests reported', async t => {
  const lines = ['Alt-Svc: h3="evil.example:443"', 'NEL: {"report_to":"evil","max_age":2592000,"success_fraction":1}']
  const behind = await ask(t, '/app', '/app/x', lines)
  for (const name of ['alt-svc', 'nel']) t.strictSame(valuesOf(behind, name), [], name)
  const whole = await ask(t, '/', '/app/x', lines)
  for (const name of ['alt-svc', 'nel']) t.equal(valuesOf(whole, name).length, 1, `${name} of an upstream at /`)
})
