import t, { type Test } from 'tap'
import { Agent, cacheStores, fetch as undiciFetch, interceptors } from 'undici'
import type { ConfigInput } from '../../config/schema.ts'
import { signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * A cache stands in front of the gateway: a CDN, a proxy of a company. A service answers `Cache-Control: max-age=60` and thinks
 * itself safe, because it was asked with `Authorization`, and shared caches do not keep such answers (RFC 9111, section 3.5). But the
 * cache did not see that header: it saw a cookie, which protects nothing. So the next visitor is given what was for the first.
 *
 * Below a real shared cache is put in front, and two subjects and a stranger ask for one address through it.
 */

type Ask = (headers?: Record<string, string>) => Promise<{ status: number, body: string, cacheControl: string | null }>

/** A service that answers with the subject that it is told, and a cache in front of the gateway in front of it. */
async function start (t: Test, headers: Record<string, string>, upstream: Partial<NonNullable<ConfigInput['upstreams']>[number]> = {}) {
  const service = await startUpstream(t, (request, response) => {
    response.writeHead(200, headers).end(`for ${String(request.headers['x-auth-subject'])}`)
  })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: service.url, audience: 'up', forward: 'headers', ...upstream }] })
  const agent = new Agent()
  const cache = agent.compose(interceptors.cache({ type: 'shared', store: new cacheStores.MemoryCacheStore() }))
  t.teardown(() => agent.destroy())
  const ask: Ask = async (headers = {}) => {
    const response = await undiciFetch(`${url}/up`, { dispatcher: cache, headers })
    return { status: response.status, body: await response.text(), cacheControl: response.headers.get('cache-control') }
  }
  return { url, ask, service }
}

const yesterday = new Date(Date.now() - 86_400_000).toUTCString()

const careless: Array<Record<string, string>> = [
  { 'cache-control': 'max-age=60' },
  { 'cache-control': 'max-age=60, must-revalidate' },
  { 'cache-control': 'max-age=60, private="set-cookie"' },
  { 'cache-control': 'max-age=60, x="a, public, b"' },
  { 'last-modified': yesterday },
  { expires: new Date(Date.now() + 60_000).toUTCString() }
]

for (const access of ['session', 'public'] as const) {
  t.test(`what a service (${access}) answers the owner of a session cookie is given to nobody else`, async t => {
    for (const headers of careless) {
      const { url, ask } = await start(t, headers, { access })
      const [ada, bob] = [await signIn(url, 'ada'), await signIn(url, 'bob')]
      const what = JSON.stringify(headers)

      t.match(await ask({ cookie: ada.cookie }), { status: 200, body: 'for ada', cacheControl: /\bprivate$/ }, what)
      t.match(await ask({ cookie: bob.cookie }), { status: 200, body: 'for bob' }, what)
      t.notMatch((await ask()).body, /ada|bob/, what)
      t.notMatch((await ask({ cookie: `${ada.cookie.slice(0, -1)}` })).body, /ada|bob/, what)
    }
  })
}

t.test('no header for some caches alone gives an answer to others', async t => {
  for (const name of ['cdn-cache-control', 'surrogate-control', 'Cloudflare-CDN-Cache-Control', 'x-accel-expires']) {
    const value = name === 'x-accel-expires' ? '60' : 'max-age=60'
    const { url } = await start(t, { 'cache-control': 'max-age=60', [name]: value })
    const owner = await fetch(`${url}/up`, { headers: { cookie: (await signIn(url)).cookie } })
    t.strictSame([owner.headers.get(name), owner.headers.get('cache-control')], [null, 'max-age=60, private'], name)
    const bearer = await fetch(`${url}/up`, { headers: { authorization: `Bearer ${(await signInForTokens(url)).token}` } })
    t.strictSame([bearer.headers.get(name), bearer.headers.get('cache-control')], [value, 'max-age=60'], name)
  }
})

t.test('an access token in Authorization protects its answers by itself', async t => {
  for (const headers of careless.filter(headers => !headers['cache-control']?.includes('must-revalidate'))) {
    const { url, ask } = await start(t, headers)
    const [ada, bob] = [await signInForTokens(url, 'ada'), await signInForTokens(url, 'bob')]

    t.match(await ask({ authorization: `Bearer ${ada.token}` }), { body: 'for ada', cacheControl: headers['cache-control'] ?? null })
    t.match(await ask({ authorization: `Bearer ${bob.token}` }), { body: 'for bob' })
    t.match(await ask(), { status: 401 })
  }
})

t.test('a service may say itself that an answer is for everybody', async t => {
  for (const said of ['public, max-age=60', 'max-age=0, s-maxage=60', 'PUBLIC, Max-Age=60']) {
    const { url, ask, service } = await start(t, { 'cache-control': said })
    const [ada, bob] = [await signIn(url, 'ada'), await signIn(url, 'bob')]

    t.match(await ask({ cookie: ada.cookie }), { body: 'for ada', cacheControl: said })
    t.match(await ask({ cookie: bob.cookie }), { body: 'for ada' }, 'the cache works')
    t.equal(service.requests.length, 1)
  }
})

t.test('what a service says to keep private, or not to keep, is passed on as it is', async t => {
  for (const said of ['private, max-age=60', 'no-store', 'Private', 'no-cache, no-store']) {
    const { url, ask } = await start(t, { 'cache-control': said })
    t.match(await ask({ cookie: (await signIn(url)).cookie }), { status: 200, cacheControl: said })
  }
})

t.test('what nobody was signed in for is cached as its service says', async t => {
  const { ask, service } = await start(t, { 'cache-control': 'max-age=60' }, { access: 'public' })
  for (let i = 0; i < 2; i++) t.match(await ask(), { body: 'for undefined', cacheControl: 'max-age=60' })
  t.equal(service.requests.length, 1)
})
