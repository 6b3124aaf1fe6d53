import { request as send } from 'node:http'
import t from 'tap'
import { origin, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * A page of another origin asks in the name of its visitor and reads the answer, because somebody answers `Access-Control-Allow-Origin`
 * too generously: reflects whatever Origin comes, matches the beginning or the end of a name, or takes `null`. With
 * `Access-Control-Allow-Credentials` even what the visitor's cookie may see is read. Sibling sub-domains need no permission to
 * have cookies sent along, only to read.
 */

const spa = 'https://spa.example.com'

const others = [
  'https://evil.example', 'https://other.example.com', 'null', '*', '', 'http://spa.example.com', `${spa}:8443`, `${spa}.evil.example`, 'https://evil-spa.example.com', 'https://evilspa.example.com',
  'https://spa.example.com@evil.example', 'https://SPA.example.com', `${spa}/`, `${spa}, https://evil.example`, `https://evil.example, ${spa}`, 'https://spa_example.com', 'https://spa.example.co', `${spa}%60.evil.example`, 'file://', 'spa.example.com'
]

interface Answer { status: number, cors: Record<string, string>, vary: string }

/** As bytes, because fetch() sends no Origin of the caller's choice. Resolves to the CORS headers of the answer. */
async function ask (url: string, method: string, headers: Record<string, string>): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    send(url, { method, headers, agent: false }, response => {
      response.resume()
      const cors = Object.entries(response.headers).filter(([name]) => name.startsWith('access-control-')).map(([name, value]) => [name.slice('access-control-'.length), String(value)])
      resolve({ status: response.statusCode!, cors: Object.fromEntries(cors) as Record<string, string>, vary: response.headers.vary ?? '' })
    }).on('error', reject).end()
  })
}

/** A service that lets everybody read everything. */
async function startGenerous (t: Parameters<typeof startUpstream>[0]) {
  return await startUpstream(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'access-control-allow-origin': request.headers.origin ?? '*', 'access-control-allow-credentials': 'true', 'access-control-allow-methods': '*', vary: 'Origin' }).end('secret')
  })
}

t.test('no answer lets another origin read, whoever asks, wherever and however it ends', async t => {
  const generous = await startGenerous(t)
  const { url } = await startGateway(t, { cors: { origins: [spa] }, upstreams: [{ prefix: '/up', target: generous.url, audience: 'up' }, { prefix: '/open', target: generous.url, access: 'public' }] })
  const [{ cookie }, { token }] = [await signIn(url), await signInForTokens(url)]
  const credentials: Array<Record<string, string>> = [{}, { cookie }, { authorization: `Bearer ${token}` }, { cookie: `${cookie}x` }]

  for (const from of others) {
    for (const path of ['/up', '/open', '/auth/session', '/auth/sessions', '/.well-known/jwks.json', '/nowhere', '/up/..%2f']) {
      for (const headers of credentials) {
        const { cors } = await ask(`${url}${path}`, 'GET', { ...headers, origin: from })
        t.same(cors, {}, `${from} ${path}`)
      }
      const asked = await ask(`${url}${path}`, 'OPTIONS', { origin: from, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization' })
      t.same(asked.cors, {}, `${from} ${path}: preflight`)
      t.ok(asked.status === 403 || path.endsWith('%2f'), `${from} ${path}: preflight ${asked.status}`)
    }
  }
})

t.test('an allowed origin is named alone, never with credentials, and every answer says that it depends on the origin', async t => {
  const generous = await startGenerous(t)
  const { url } = await startGateway(t, { cors: { origins: [spa] }, upstreams: [{ prefix: '/up', target: generous.url, audience: 'up' }, { prefix: '/open', target: generous.url, access: 'public' }] })
  const { token } = await signInForTokens(url)
  const { cookie } = await signIn(url)

  for (const path of ['/up', '/open', '/auth/session', '/auth/sessions', '/.well-known/jwks.json', '/nowhere']) {
    for (const headers of [{}, { authorization: `Bearer ${token}` }, { cookie }] as Array<Record<string, string>>) {
      for (const from of [spa, origin, 'https://evil.example', undefined]) {
        const { cors, vary } = await ask(`${url}${path}`, 'GET', { ...headers, ...from === undefined ? {} : { origin: from } })
        t.equal(cors['allow-origin'], from === spa ? spa : undefined, path)
        t.notOk('allow-credentials' in cors, path)
        t.match(vary, /(?:^|, )Origin(?:$|,)/, path)
      }
    }
  }
})

t.test('a service cannot let other origins read what a session cookie was answered', async t => {
  const generous = await startGenerous(t)
  for (const access of ['session', 'any', 'public'] as const) {
    const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: generous.url, audience: 'up', access }] })
    const { cookie } = await signIn(url)

    const read = await ask(`${url}/up`, 'GET', { cookie, origin: 'https://other.example.com', 'sec-fetch-site': 'same-site' })

    t.equal(read.status, 200)
    t.notOk('allow-credentials' in read.cors, access)
  }
})
