import { METHODS, request as send } from 'node:http'
import t from 'tap'
import { password, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * What a browser does by itself should change nothing: it follows links, loads pictures and frames, and fetches pages ahead of time
 * because somebody may click on them. A gateway that signs in, refreshes or signs out on GET, or that believes a header or a parameter
 * which says what the method "really" is, can be made to by a picture on another page. Checks that know only POST are passed by with
 * another method.
 */

const body = JSON.stringify({ username: 'ada', password, scope: 'all', _method: 'POST' })
const routes = ['/auth/login', '/auth/refresh', '/auth/step-up', '/auth/logout', '/auth/session', '/auth/sessions']

const disguises: Array<Record<string, string>> = [
  {},
  { 'x-http-method-override': 'POST' }, { 'x-http-method': 'DELETE' }, { 'x-method-override': 'POST' }, { 'x-original-method': 'DELETE' }, { _method: 'POST' },
  { 'sec-purpose': 'prefetch' }, { 'sec-purpose': 'prefetch;prerender' }, { purpose: 'prefetch' }, { 'x-moz': 'prefetch' }, { 'x-purpose': 'preview' },
  { 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors', 'sec-fetch-site': 'cross-site' }
]

async function ask (url: string, method: string, headers: Record<string, string>, payload?: string): Promise<{ status: number, cookies: string[] }> {
  return await new Promise((resolve, reject) => {
    const request = send(url, { method, headers: { ...headers, connection: 'close', ...payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) } } }, response => {
      response.resume()
      response.on('end', () => { resolve({ status: response.statusCode!, cookies: response.headers['set-cookie'] ?? [] }) })
    })
    request.on('error', reject)
    request.end(payload)
  })
}

t.test('no safe method opens, refreshes, renews or ends a session, whatever it is said to be', async t => {
  const { url, store } = await startGateway(t)
  const [{ cookie, sid }, tokens] = [await signIn(url), await signInForTokens(url)]
  const records = async () => JSON.stringify([await store.read(sid), await store.read(tokens.sid), (await store.list('ada')).length, (await takeSnapshot(store)).revocations])
  const before = await records()

  const credentials: Array<Record<string, string>> = [{}, { cookie }, { cookie: tokens.cookie }]
  const asked = [...routes, `/auth/sessions/${sid}`].flatMap(path => [path, `${path}?_method=POST&username=ada&password=${encodeURIComponent(password)}&scope=all`])
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    for (const path of asked) {
      for (const headers of credentials.flatMap(credential => disguises.map(disguise => ({ ...credential, ...disguise })))) {
        t.same((await ask(`${url}${path}`, method, headers)).cookies, [], `${method} ${path}`)
      }
      t.same((await ask(`${url}${path}`, method, { cookie: tokens.cookie }, body)).cookies, [], `${method} ${path} with a body`)
    }
  }

  t.equal(await records(), before)
})

t.test('no other method than the documented one does anything at an own route', async t => {
  const { url, store } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  const known = new Set(['POST /auth/login', 'POST /auth/refresh', 'POST /auth/step-up', 'POST /auth/logout', 'GET /auth/session', 'HEAD /auth/session', 'GET /auth/sessions', 'HEAD /auth/sessions', `DELETE /auth/sessions/${sid}`])

  for (const method of METHODS.filter(name => name !== 'CONNECT')) {
    for (const path of [...routes, `/auth/sessions/${sid}`]) {
      if (known.has(`${method} ${path}`)) continue
      const { status, cookies } = await ask(`${url}${path}`, method, { cookie, 'x-http-method-override': 'POST' })
      t.equal(status, 404, `${method} ${path}`)
      t.same(cookies, [])
    }
  }

  t.ok(await store.read(sid))
  t.equal((await store.list('ada')).length, 1)
})

t.test('a service is asked with the method that was judged', async t => {
  const target = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: target.url, audience: 'up', stepUp: { maxAge: '5m', methods: ['DELETE'] } }] })
  const { cookie } = await signIn(url)
  for (const disguise of disguises) await ask(`${url}/up?_method=DELETE`, 'GET', { cookie, ...disguise })

  t.same([...new Set(target.requests.map(({ method }) => method))], ['GET'])
  t.equal(target.requests.length, disguises.length)
})
