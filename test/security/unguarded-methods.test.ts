import { METHODS } from 'node:http'
import t, { type Test } from 'tap'
import { signIn, startGateway } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: a check that is for GET and POST, and a service that answers HEAD, PROPFIND or a method of its own as well. Or a
 * method, a version or a header that makes a router find nothing, so that nothing is checked, or something that belongs to every
 * object of the language. Here what is demanded is demanded of a prefix, whatever is asked of it.
 */

/** Also what is no method, and names that every object has. */
const invented = ['FOO', 'get', 'Get', 'GETX', 'GET_', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'prototype', 'undefined', 'null', 'PRI', 'DEBUG', 'INDEX', 'G\0ET', 'GE T', '*']

async function start (t: Test) {
  const up = await startUpstream(t)
  const upstreams = [{ access: 'any' }, { access: 'session' }, { access: 'token' }].map(({ access }) => ({ prefix: `/${access}`, target: up.url, audience: 'up', access: access as 'any' }))
  const gateway = await startGateway(t, { upstreams: [...upstreams, { prefix: '/any/nested', target: up.url, audience: 'nested' }, { prefix: '/public', target: up.url, access: 'public' }] })
  const port = Number(new URL(gateway.url).port)
  const ask = async (method: string, target: string, lines: string[] = []) => await sendRaw(t, port, [`${method} ${target} HTTP/1.1`, 'Host: a', 'Connection: close', 'Content-Length: 0', ...lines, '', ''].join('\r\n')).ended
  return { ...gateway, up, ask }
}

t.test('no method reaches a protected service without a credential', async t => {
  const { up, ask } = await start(t)
  for (const method of METHODS) {
    const answers = await Promise.all(['/any', '/any/x', '/any/nested', '/any/nested/x', '/session/x', '/token/x'].map(async target => await ask(method, target)))
    for (const answer of answers) t.match(answer, method === 'CONNECT' ? /^(HTTP\/1\.1 4|$)/ : method === 'TRACE' ? /^HTTP\/1\.1 405 / : /^HTTP\/1\.1 401 /, method)
  }
  for (const method of invented) {
    for (const target of ['/any', '/any/nested/x', '/public', '/auth/session', '/nowhere']) t.match(await ask(method, target), /^HTTP\/1\.1 400 /, `${method} ${target}`)
  }
  t.same(up.requests, [])
})

t.test('no method gets in by the scope, the version or the body of a request', async t => {
  const { up, ask } = await start(t)
  for (const lines of [
    ['Accept-Version: 1.x'], ['Accept-Version: *'], ['Accept-Version: constructor'], ['X-HTTP-Method-Override: OPTIONS'], ['X-Method-Override: HEAD'], ['Access-Control-Request-Method: GET', 'Origin: https://evil.example'],
    ['Content-Type: multipart/form-data'], ['Expect: 100-continue'], ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQ'], ['Max-Forwards: 0'], ['Range: bytes=0-'], ['If-None-Match: *'], ['Purpose: prefetch']
  ]) {
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'QUERY', 'PURGE']) t.match(await ask(method, '/any/x', lines), /^HTTP\/1\.1 401 /, `${method} ${lines.join()}`)
  }
  t.same(up.requests, [])
})

t.test('TRACE is answered by nobody: an upstream would show the token that we add to it', async t => {
  const { url, up, ask } = await start(t)
  const { cookie } = await signIn(url)
  for (const target of ['/any', '/public', '/public/x', '/any/nested']) t.match(await ask('TRACE', target, [`Cookie: ${cookie}`, 'Max-Forwards: 0']), /^HTTP\/1\.1 405 [^]*allow: .*PROPFIND/i, target)
  for (const target of ['/auth/session', '/nowhere', '/.well-known/jwks.json']) t.match(await ask('TRACE', target, [`Cookie: ${cookie}`]), /^HTTP\/1\.1 404 /, target)
  t.same(up.requests, [])
})

t.test('CONNECT makes no tunnel', async t => {
  const { up, ask } = await start(t)
  for (const target of ['/any', '/public', `127.0.0.1:${up.port}`, 'evil.example:443']) t.notMatch(await ask('CONNECT', target), /^HTTP\/1\.1 2/, target)
  t.same(up.requests, [])
})

t.test('a version that a client asks for changes nothing for it, nor for the next one', async t => {
  const { url, up, ask } = await start(t)
  for (const version of ['1.0.0', '*', 'constructor', '99999999999999999999.x', '']) t.match(await ask('GET', '/public', [`Accept-Version: ${version}`]), /^HTTP\/1\.1 200 /, version)
  t.equal((await fetch(`${url}/public`)).status, 200)
  t.equal(up.requests.length, 6)
})

t.test('no route has two parameters in one segment, which a long path could keep comparing', async t => {
  const { app } = await startGateway(t)
  const routes = app.printRoutes({ commonPrefix: false })
  t.match(routes, /:sid/)
  t.notMatch(routes, /:[^/\n(]*:|\(\.\*|\*[^\n ]*\*/)
})
