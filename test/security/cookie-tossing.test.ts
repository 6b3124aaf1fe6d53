import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import t from 'tap'
import { password, post, setCookies, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startRawUpstream, startUpstream } from '../helpers/upstream.ts'

/*
 * Somebody who controls a sub-domain, a sibling path or an upstream plants cookies beside the victim's own, in the hope that theirs
 * is the one that is read (the victim then works in the attacker's session), that the victim's is overwritten or cleared, or that a
 * second copy of a refresh token ends the family. Browsers send the cookie of the longer path first, and prefixes in other cases
 * are no prefixes.
 */

const name = '__Host-Http-portcullis'
const refreshName = '__Secure-portcullis-refresh'

t.test('the same cookie twice is refused, in either order, in one header or two', async t => {
  const { url } = await startGateway(t)
  const [victim, mallory] = [await signIn(url, 'victim'), await signIn(url, 'mallory')]
  const tokens = [await signInForTokens(url, 'victim'), await signInForTokens(url, 'mallory')]

  for (const pairs of [[victim.cookie, mallory.cookie], [mallory.cookie, victim.cookie], [victim.cookie, victim.cookie], [victim.cookie, `${name}=`], ['a=b', victim.cookie, 'c=d', `${name}=x`]]) {
    for (const path of ['/orders', '/auth/session', '/auth/sessions']) {
      await assertProblem(t, await fetch(`${url}${path}`, { headers: { cookie: pairs.join('; ') } }), 400, 'PTC_ERR_COOKIE_DUPLICATE', path)
    }
    for (const path of ['/auth/logout', '/auth/login']) {
      const response = await post(`${url}${path}`, path === '/auth/login' ? { username: 'ada', password } : undefined, { cookie: pairs.join(';') })
      t.same(response.headers.getSetCookie(), [])
      await assertProblem(t, response, 400, 'PTC_ERR_COOKIE_DUPLICATE', path)
    }
    const status = await new Promise(resolve => {
      httpRequest(`${url}/auth/session`, { headers: ['Host', 'a', ...pairs.flatMap(pair => ['Cookie', pair])] }, response => {
        response.resume()
        resolve(response.statusCode)
      }).end()
    })
    t.equal(status, 400, 'two Cookie lines')
  }
  for (const cookie of [`${tokens[0]!.cookie}; ${tokens[1]!.cookie}`, `${tokens[1]!.cookie}; ${tokens[0]!.cookie}`, `${refreshName}=; ${tokens[0]!.cookie}`]) {
    const response = await post(`${url}/auth/refresh`, undefined, { cookie })
    t.same(response.headers.getSetCookie(), [])
    await assertProblem(t, response, 400, 'PTC_ERR_COOKIE_DUPLICATE')
  }
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: victim.cookie } })).status, 200)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens[0]!.cookie })).status, 200)
})

t.test('a cookie that comes twice is refused before anything is done, whichever it is', async t => {
  const { url, store } = await startGateway(t, { pages: true })
  const twice = '__Host-portcullis-device=a; __Host-portcullis-device=b'
  const { cookie, sid } = await signIn(url, 'victim')
  const before = await store.list('victim')
  const form = { 'content-type': 'application/x-www-form-urlencoded' }

  const answers = {
    'a sign-in': await post(`${url}/auth/login`, { username: 'victim', password }, { cookie: `${cookie}; ${twice}` }),
    'a sign-in for tokens': await post(`${url}/auth/login`, { username: 'victim', password, mode: 'tokens' }, { cookie: `${cookie}; ${twice}` }),
    'a sign-in on the page': await fetch(`${url}/auth/sign-in`, { method: 'POST', headers: { ...form, cookie: `${cookie}; ${twice}` }, body: new URLSearchParams({ username: 'victim', password }) }),
    'a sign-out': await post(`${url}/auth/logout`, undefined, { cookie: `${cookie}; ${twice}` }),
    'a sign-out everywhere': await post(`${url}/auth/logout`, { scope: 'all' }, { cookie: `${cookie}; ${twice}` })
  }

  for (const [what, { status, headers }] of Object.entries(answers)) t.same([status, headers.getSetCookie(), headers.get('secure-session-registration')], [400, [], null], what)
  t.same((await store.list('victim')).map(record => record.sid), before.map(record => record.sid))
  t.not(await store.read(sid), null)
})

t.test('a planted refresh cookie does not keep the credentials beside it from being ended', async t => {
  const { url } = await startGateway(t)
  const planted = `${refreshName}=${randomBytes(56).toString('base64url')}`
  const { cookie } = await signIn(url, 'victim')
  const tokens = await signInForTokens(url, 'victim')

  for (const headers of [{ cookie: `${planted}; ${cookie}` }, { cookie: planted, authorization: `Bearer ${tokens.token}` }]) {
    await assertProblem(t, await post(`${url}/auth/logout`, undefined, headers), 503, 'PTC_ERR_STORE_UNAVAILABLE', 'the planted one may be good elsewhere')
  }

  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 401)
  t.equal((await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${tokens.token}` } })).status, 401)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 401)
})

t.test('only the exact name is the cookie', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const value = cookie.slice(name.length + 1)
  for (const other of ['__host-portcullis', '__HOST-PORTCULLIS', '__Host-Portcullis', 'portcullis', '__Secure-portcullis', '__Host-Http-portcullis2', 'x__Host-Http-portcullis', '__Host-Http-portcullis-x', '$__Host-Http-portcullis', '"__Host-Http-portcullis"', '__Host_portcullis']) {
    await assertProblem(t, await fetch(`${url}/auth/session`, { headers: { cookie: `${other}=${value}` } }), 401, 'PTC_ERR_CREDENTIALS_MISSING', other)
    t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: `${other}=zebra; ${cookie}` } })).status, 200, `${other} beside the real one`)
  }
  await assertProblem(t, await fetch(`${url}/auth/session`, { headers: { cookie: `=${cookie}` } }), 401, 'PTC_ERR_CREDENTIALS_MISSING', 'a nameless cookie whose value looks like one')
})

t.test('an upstream neither sets nor clears a cookie of ours, and is sent none', async t => {
  const lines = [`${name}=planted; Path=/; Secure`, `${name}=; Max-Age=0; Path=/`, `${refreshName}=planted; Path=/auth`, `${name.toUpperCase()}=planted`, ` ${name}=planted`, `=${name}=planted`, 'portcullis=planted', 'portcullis-refresh=planted']
  const evil = await startUpstream(t, (request, response) => {
    request.resume()
    response.setHeader('set-cookie', [...lines, 'theme=dark; Path=/', 'x=1; Domain=example.com'])
    response.setHeader('clear-site-data', '"cache", "cookies", "storage"')
    response.end()
  })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/evil', target: evil.url, audience: 'evil' }] })
  const { cookie } = await signIn(url)
  const { cookie: refresh } = await signInForTokens(url)

  const response = await fetch(`${url}/evil`, { headers: { cookie: `a=1; ${cookie}; ${refresh}; ${name.toLowerCase()}=zebra; b=2` } })

  t.same(response.headers.getSetCookie(), ['theme=dark; Path=/', 'x=1; Domain=example.com'])
  t.equal(response.headers.get('clear-site-data'), '"cache"')
  t.equal(evil.requests[0]?.headers.cookie, 'a=1; b=2')
})

t.test('no trick of writing Set-Cookie gets a cookie of ours past, and cookies of others stay as they are', async t => {
  const planted = [name, refreshName, '__Host-portcullis-device', 'portcullis', 'portcullis-refresh', 'portcullis-device']
  const odd = (text: string): string => [...text].map((letter, index) => index % 2 === 0 ? letter.toUpperCase() : letter.toLowerCase()).join('')
  const linesOf = (cookie: string): string[] => [
    `${cookie}=x`, `${odd(cookie)}=x`, `${cookie.toUpperCase()}=x; Path=/; Secure; HttpOnly; SameSite=None`, `${cookie}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT`, `${cookie}=; Max-Age=-1; Domain=example.com; Path=/auth/refresh`,
    `  ${cookie}=x`, `\t${cookie}=x`, `${cookie} =x`, `${cookie}\t=x`, `${cookie}`, `${cookie};`, `${cookie}; Path=/`, `=${cookie}=x`, `= ${cookie}=x`, `==${cookie}=x`, `;${cookie}=x`, ` ; ${cookie}=x`, `${cookie}="x"`, `${cookie}=x, ${cookie}=y`, `${cookie}=x; ${cookie}=y`, `${cookie}=${'x'.repeat(4000)}`
  ]
  const fine = ['a=1', 'portcullis2=1; Path=/', 'x-portcullis=1', '__Host-other=1; Secure; Path=/', 'a=portcullis=1', `a=1; Path=/${name}`, `a=${name}; Secure`, 'A=1', 'a="b; c"', 'empty=', 'b=1; Partitioned; Priority=High']
  let lines: string[] = []
  const upstream = await startRawUpstream(t, socket => { socket.end(`HTTP/1.1 200 OK\r\n${lines.map(line => `${line}\r\n`).join('')}Content-Length: 0\r\n\r\n`) })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/evil', target: upstream.url, access: 'public' }] })

  for (const cookie of planted) {
    lines = [...linesOf(cookie).flatMap((line, index) => [line, fine[index % fine.length]!]).map((line, index) => `${['Set-Cookie', 'set-cookie', 'SET-COOKIE', 'sEt-cOoKiE'][index % 4]}: ${line}`), `Set-Cookie2: ${cookie}=x`]
    const response = await fetch(`${url}/evil`)
    t.equal(response.status, 200, cookie)
    t.equal(response.headers.getSetCookie().length, linesOf(cookie).length, cookie)
    t.same([...new Set(response.headers.getSetCookie())].sort(), [...fine].sort(), cookie)
  }
  for (const folded of [`Set-Cookie: a=1,\r\n ${name}=x`, `Set-Cookie:\r\n ${name}=x`, `Set-Cookie: a=1;\r\n\t${name}=x`]) {
    lines = [folded]
    t.equal((await fetch(`${url}/evil`)).status, 502, 'a folded line could be read in two ways')
  }
})

t.test('cookie headers of every shape are survived', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  for (const noise of [';', ';;;', '=', '= ; =', 'a', 'a=%', 'a=%zz', '__proto__=1', 'constructor=1', 'a="b; c"', `a=${'x'.repeat(4000)}`, Array.from({ length: 500 }, (_, index) => `c${index}=1`).join(';'), `a=${name}`, `a=${name}=x`]) {
    const around = await fetch(`${url}/auth/session`, { headers: { cookie: `${noise}; ${cookie}; ${noise}` } })
    t.equal(around.status, 200, noise.slice(0, 40))
    t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: noise } })).status, 401, noise.slice(0, 40))
  }
})

t.test('no answer has two cookies of one name', async t => {
  const { url } = await startGateway(t)
  const carried = `${(await signIn(url)).cookie}; ${(await signInForTokens(url)).cookie}`
  for (const response of [
    await post(`${url}/auth/login`, { username: 'ada', password, mode: 'tokens' }, { cookie: carried }),
    await post(`${url}/auth/login`, { username: 'ada', password }, { cookie: carried }),
    await post(`${url}/auth/logout`, undefined, { cookie: carried })
  ]) {
    t.equal(response.headers.getSetCookie().length, 2)
    t.equal(Object.keys(setCookies(response)).length, 2)
  }
})

t.test('an upstream does not bind, renew or end the sessions of the origin, and is sent no proof of a device', async t => {
  const upstream = await startUpstream(t, (request, response) => {
    request.resume()
    response.setHeader('secure-session-registration', '(ES256);path="/orders/dbsc";challenge="x"')
    response.setHeader('secure-session-challenge', '"x";id="y"')
    response.setHeader('sec-session-registration', '(ES256);path="/orders/dbsc"')
    response.setHeader('x-mine', 'kept')
    response.end()
  })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/open', target: upstream.url, access: 'public' }] })

  const { headers } = await fetch(`${url}/open`, { headers: { 'secure-session-response': 'a.b.c', 'sec-secure-session-id': 'y', 'x-mine': 'kept' } })

  t.equal(headers.get('x-mine'), 'kept')
  t.same([...headers.keys()].filter(name => /^sec(?:ure)?-session/.test(name)), [])
  const [received] = upstream.requests
  t.equal(received?.headers['x-mine'], 'kept')
  t.same(Object.keys(received?.headers ?? {}).filter(name => /secure-session/.test(name)), [])
})
