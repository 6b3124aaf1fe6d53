import t, { type Test } from 'tap'
import { origin, password, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { sendRaw } from '../helpers/proxy.ts'

/*
 * The attack: a Host of the attacker's. What is made of it (links in mails, redirects, the domain of a cookie, the issuer of a
 * token, the choice of a service or of a rule) is the attacker's too, and a cache that goes by the path gives it to others.
 *
 * Nothing here goes by Host: the gateway has one origin, which is configured. So every Host is served alike, and services are told
 * the origin's. A Host of which two readers could take two is refused.
 */

const hosts = ['app.example.com', 'APP.example.com', 'evil.example', 'evil.example:8443', 'app.example.com.evil.example', 'app.example.com@evil.example', '127.0.0.1', 'localhost', '[::1]', '169.254.169.254', 'orders', '*', 'a"b', "a'b", '<script>', 'a\tb', '..', '/auth', 'a/../b', '%00', 'x'.repeat(300), '__proto__']

async function start (t: Test) {
  const gateway = await startGateway(t, { session: { maxPerSubject: 1000 } })
  const port = Number(new URL(gateway.url).port)
  const { cookie } = await signIn(gateway.url)
  const { cookie: refresh } = await signInForTokens(gateway.url)
  const ask = async (line: string, host: string, more: string[] = [], body = '') => await sendRaw(t, port, [`${line} HTTP/1.1`, ...host === '' ? [] : [`Host: ${host}`], 'Connection: close', `Content-Length: ${body.length}`, ...more, '', body].join('\r\n')).ended
  return { ...gateway, port, ask, cookie, refresh }
}

/** What differs from one answer to the next in any case. */
function stable (answer: string): string {
  return answer.replace(/^(date|x-request-id|content-length|ratelimit): .*\r\n/gim, '').replace(/(__Host-Http-portcullis|__Secure-portcullis-refresh)=[^;]+/g, '$1=').replace(/"(sid|access_token|refresh_in|created_at|auth_time|idle_expires_at|expires_at)":("[^"]*"|\d+)/g, '"$1":')
}

t.test('whatever Host says, the answer is the same', async t => {
  const { ask, cookie, refresh } = await start(t)
  const json = ['Content-Type: application/json']
  for (const [line, more, body] of [
    ['POST /auth/login', json, JSON.stringify({ username: 'ada', password })],
    ['POST /auth/login', json, JSON.stringify({ username: 'ada', password, mode: 'tokens' })],
    ['GET /auth/session', [`Cookie: ${cookie}`], ''],
    ['POST /auth/refresh', [`Cookie: ${refresh}`], ''],
    ['GET /orders/x', [`Cookie: ${cookie}`], ''],
    ['GET /orders/x', [], ''],
    ['GET /.well-known/jwks.json', [], ''],
    ['GET /nowhere', [], ''],
    ['GET //', [], '']
  ] as const) {
    const expected = stable(await ask(line, 'app.example.com', [...more], body))
    for (const host of hosts) {
      const answer = await ask(line, host, [...more], body)
      t.equal(stable(answer), expected, `${line} at ${host.slice(0, 40)}`)
      if (host.includes('evil')) t.notMatch(answer, /evil/)
    }
  }
})

t.test('cookies have no Domain, tokens the issuer and services the host that are configured', async t => {
  const { ask, orders, cookie } = await start(t)
  for (const host of hosts) {
    const answer = await ask('POST /auth/login', host, ['Content-Type: application/json', `Origin: ${origin}`], JSON.stringify({ username: 'ada', password, mode: 'tokens' }))
    t.notMatch(answer, /domain=/i, host)
    t.equal(claimsOf(/"access_token":"([^"]+)"/.exec(answer)?.[1])['iss'], origin, host)

    await ask('GET /orders', host, [`Cookie: ${cookie}`])
    const { headers } = orders.requests.pop()!
    t.match(headers, { host: 'app.example.com', 'x-forwarded-host': 'app.example.com', 'x-forwarded-proto': 'https' }, host)
    t.equal(claimsOf(headers.authorization)['iss'], origin)
  }
})

t.test('a Host of the attacker\'s is no origin of ours', async t => {
  const { ask, cookie } = await start(t)
  for (const other of ['https://evil.example', 'http://evil.example']) {
    t.match(await ask('POST /auth/logout', 'evil.example', [`Cookie: ${cookie}`, `Origin: ${other}`]), /^HTTP\/1\.1 403 /)
    t.match(await ask('POST /orders', 'evil.example', [`Cookie: ${cookie}`, `Origin: ${other}`]), /^HTTP\/1\.1 403 /)
  }
})

t.test('no Host, an empty one, several, and a target of another host are refused', async t => {
  const { ask, port, orders, cookie } = await start(t)
  for (const lines of [[], ['Host:'], ['Host: '], ['Host: a', 'Host: a'], ['Host: a', 'HOST: b'], ['host: app.example.com', 'X: y', 'Host: evil.example'], ['Host: a', ' Host: b'], ['Host : a'], ['Host\t: a'], ['Host: a', 'Host:']]) {
    const answer = await sendRaw(t, port, ['GET /orders HTTP/1.1', ...lines, `Cookie: ${cookie}`, 'Connection: close', '', ''].join('\r\n')).ended
    t.match(answer, /^HTTP\/1\.1 400 /, lines.join())
  }
  for (const target of ['http://evil.example/orders', 'https://evil.example/orders', 'http://app.example.com@evil.example/orders', 'http://app.example.com:8443/orders', '//app.example.com/orders', 'app.example.com:443', 'ftp://app.example.com/orders']) {
    for (const host of ['app.example.com', 'evil.example']) t.match(await ask(`GET ${target}`, host, [`Cookie: ${cookie}`]), /^HTTP\/1\.1 400 /, target)
  }
  t.same(orders.requests, [])
  for (const target of ['http://app.example.com/orders', 'https://app.example.com/orders']) {
    t.match(await ask(`GET ${target}`, 'evil.example', [`Cookie: ${cookie}`]), /^HTTP\/1\.1 200 /, target)
    t.match(orders.requests.pop(), { url: '/orders', headers: { host: 'app.example.com', 'x-forwarded-host': 'app.example.com' } })
  }
})
