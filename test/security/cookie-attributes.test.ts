import t, { type Test } from 'tap'
import { password, post, setCookies, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * A cookie without Secure is read on any network, one without HttpOnly by any injected script, one without SameSite goes along with
 * requests of any page; one with Domain, or without a prefix, can be set by a sub-domain. One answer in a corner that sets it with
 * less is enough: a renewal, a deletion, a refusal. And what a cookie holds must not stand in a body, where scripts do read it.
 *
 * So a whole walk is made and every Set-Cookie line of it is taken apart.
 */

interface Line { name: string, value: string, attributes: string[], text: string }

function parse (text: string): Line {
  const [pair = '', ...attributes] = text.split(';')
  return { name: pair.slice(0, pair.indexOf('=')), value: pair.slice(pair.indexOf('=') + 1), attributes: attributes.map(attribute => attribute.trim().toLowerCase()), text }
}

const deleting = ['max-age=0', 'expires=thu, 01 jan 1970 00:00:00 gmt']

const allowed: Record<string, (sameSite: string) => string[]> = {
  '__Host-Http-portcullis': sameSite => ['httponly', 'path=/', `samesite=${sameSite}`, 'secure'],
  '__Secure-portcullis-refresh': () => ['httponly', 'path=/auth', 'samesite=strict', 'secure']
}

function assertHard (t: Test, line: Line, sameSite: string): void {
  const attributes = allowed[line.name]?.(sameSite)
  t.ok(attributes !== undefined, `no other cookie: ${line.name}`)
  // No Max-Age or Expires but to delete: how long a session lasts is not for the browser to say.
  t.same(line.attributes.filter(attribute => !deleting.includes(attribute)).sort(), attributes, line.text)
  t.same(line.value === '' ? deleting.filter(attribute => !line.attributes.includes(attribute)) : line.attributes.filter(attribute => deleting.includes(attribute)), [])
  t.match(line.value, /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/, 'cookie-octets alone')
  t.ok(line.name.length + line.value.length <= 4096 && line.text.length < 1024)
  t.equal(new Set(line.attributes.map(attribute => attribute.split('=')[0])).size, line.attributes.length, 'no attribute twice')
}

/** Sends one request after the other with what a browser would hold, and looks at every answer. */
function browse (t: Test, url: string, sameSite: string) {
  const held = new Map<string, string>()
  const seen: Line[] = []
  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { cookie: [...held].map(pair => pair.join('=')).join('; '), ...body === undefined ? {} : { 'content-type': 'application/json' }, ...headers },
      ...body === undefined ? {} : { body: JSON.stringify(body) }
    })
    const lines = response.headers.getSetCookie().map(parse)
    t.equal(new Set(lines.map(({ name }) => name)).size, lines.length, `${method} ${path}: no cookie twice`)
    const text = `${JSON.stringify([...response.headers].filter(([name]) => name !== 'set-cookie'))} ${await response.text()}`
    for (const line of lines) {
      assertHard(t, line, sameSite)
      if (line.value === '') held.delete(line.name)
      else held.set(line.name, line.value)
    }
    for (const value of held.values()) for (const secret of [value, ...value.split('.').slice(1)]) t.notOk(text.includes(secret), `${method} ${path}: the cookie is nowhere else`)
    seen.push(...lines)
    return response
  }
  return { send, seen, held }
}

for (const sameSite of ['lax', 'strict'] as const) {
  t.test(`every cookie of a whole walk is as hard as it can be, with SameSite ${sameSite}`, async t => {
    const { url } = await startGateway(t, { cookies: { sameSite } })
    const { send, seen, held } = browse(t, url, sameSite)
    // As much as a session's record can hold: none of it is in the cookie.
    const long = ';",=\\%0d%0a<>'.repeat(30).slice(0, 255)
    const credentials = { username: long, password }
    const userAgent = { 'user-agent': 'x'.repeat(2000) }

    for (const [method, path, body, status] of [
      ['POST', '/auth/login', credentials, 200], ['GET', '/auth/session', undefined, 200], ['GET', '/auth/sessions', undefined, 200], ['POST', '/auth/step-up', { password }, 200], ['GET', '/orders', undefined, 200],
      ['POST', '/auth/login', { ...credentials, password: 'wrong' }, 401], ['POST', '/auth/login', credentials, 200], ['POST', '/auth/login', { ...credentials, mode: 'tokens' }, 200],
      ['POST', '/auth/refresh', undefined, 200], ['POST', '/auth/refresh', { audience: ['orders'] }, 200], ['POST', '/auth/step-up', { password }, 200], ['POST', '/auth/step-up', { password: 'wrong' }, 401],
      ['POST', '/auth/login', credentials, 200], ['POST', '/auth/logout', { scope: 'others' }, 204], ['POST', '/auth/logout', undefined, 204], ['POST', '/auth/logout', undefined, 204],
      ['POST', '/auth/login', { ...credentials, mode: 'tokens' }, 200], ['POST', '/auth/logout', { scope: 'all' }, 204], ['POST', '/auth/refresh', undefined, 401], ['GET', '/nowhere', undefined, 404]
    ] as const) t.equal((await send(method, path, body, userAgent)).status, status, `${method} ${path} ${JSON.stringify(body)?.slice(-30)}`)

    t.ok(seen.length >= 12)
    t.same([...new Set(seen.map(({ name }) => name))].sort(), Object.keys(allowed).sort())
    t.same([...held], [], 'nothing is left after signing out')
  })
}

t.test('a refusal neither sets nor deletes a cookie, however bad what it carries', async t => {
  const { url, advance } = await startGateway(t)
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })
  advance(40 * 60_000)
  const carried = [session.cookie, tokens.cookie, `${session.cookie}; ${tokens.cookie}`, `${session.cookie}x`, '__Host-Http-portcullis=', '__Secure-portcullis-refresh=', `${session.cookie}; ${session.cookie}`]
  for (const cookie of carried) {
    for (const [method, path] of [['GET', '/orders'], ['GET', '/auth/session'], ['POST', '/auth/refresh'], ['POST', '/auth/step-up'], ['DELETE', '/auth/sessions/x']] as const) {
      const response = await fetch(`${url}${path}`, { method, headers: { cookie, ...method === 'POST' && path.endsWith('up') ? { 'content-type': 'application/json' } : {} }, ...path.endsWith('up') ? { body: JSON.stringify({ password }) } : {} })
      t.ok(response.status >= 400, `${method} ${path}`)
      t.same(response.headers.getSetCookie(), [])
    }
  }
})

t.test('what a service sets beside it never makes a second cookie of one of our names', async t => {
  const names = ['__Host-Http-portcullis', '__Secure-portcullis-refresh', '__host-Portcullis', 'portcullis', '__Host-Http-portcullis ']
  const service = await startUpstream(t, (_request, response) => {
    response.setHeader('set-cookie', [...names.map(name => `${name}=planted; Path=/`), 'theme=dark', 'theme=light'])
    response.end()
  })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: service.url, audience: 'up' }] })
  const { cookie } = await signIn(url)

  const response = await fetch(`${url}/up`, { headers: { cookie } })

  t.same(response.headers.getSetCookie(), ['theme=dark', 'theme=light'])
  t.same(Object.keys(setCookies(response)), ['theme'])
})
