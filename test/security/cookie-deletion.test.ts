import { CookieJar } from 'tough-cookie'
import t, { type Test } from 'tap'
import { origin, password, startGateway } from '../helpers/build-gateway.ts'

/*
 * Somebody signs out on a shared machine and the cookie stays: because the line that deletes it has another Path or Domain than the one
 * that set it, lacks Secure (a browser then ignores it for a name with a prefix), or is never sent because the answer was an error or
 * had begun already. The next one at the machine goes on as them.
 *
 * A real cookie jar, which honours the prefixes, stands in for the browser; sign-out is asked in every state that a session can be in.
 */

interface Browser {
  send: (method: string, path: string, body?: unknown) => Promise<Response>
  names: () => Promise<string[]>
  jar: CookieJar
}

/** Sends what the jar holds for an address of the origin, and hands it every line that comes back. */
function openBrowser (url: string): Browser {
  const jar = new CookieJar(undefined, { prefixSecurity: 'strict' })
  return {
    jar,
    async send (method, path, body) {
      const cookie = await jar.getCookieString(`${origin}${path}`)
      const response = await fetch(`${url}${path}`, { method, headers: { ...cookie === '' ? {} : { cookie }, 'sec-fetch-site': 'same-origin', ...body === undefined ? {} : { 'content-type': 'application/json' } }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
      for (const line of response.headers.getSetCookie()) await jar.setCookie(line, `${origin}${path}`)
      return response
    },
    names: async () => (await jar.getCookies(`${origin}/auth/logout`)).map(({ key }) => key).sort()
  }
}

const sessionName = '__Host-Http-portcullis'
const refreshName = '__Secure-portcullis-refresh'

async function start (t: Test) {
  const gateway = await startGateway(t)
  const browser = openBrowser(gateway.url)
  const signIn = async (mode: 'session' | 'tokens') => await browser.send('POST', '/auth/login', { username: 'ada', password, mode })
  return { ...gateway, ...browser, signIn }
}

for (const mode of ['session', 'tokens'] as const) {
  const name = mode === 'session' ? sessionName : refreshName

  t.test(`signing out empties the jar, in ${mode} mode, whatever state the session is in`, async t => {
    const endings: Array<[state: string, end: (gateway: Awaited<ReturnType<typeof start>>, sid: string) => Promise<unknown> | void]> = [
      ['good', () => {}],
      ['idle', ({ advance }) => { advance(31 * 60_000) }],
      ['over', ({ advance }) => { advance(25 * 3_600_000) }],
      ['revoked elsewhere', async ({ app }, sid) => { await app.portcullis.blocklist.close(sid) }],
      ['cut with its subject', async ({ app }) => { await app.portcullis.blocklist.revoke({ subject: 'ada' }) }]
    ]
    for (const [state, end] of endings) {
      const gateway = await start(t)
      const { session: { sid } } = await (await gateway.signIn(mode)).json() as { session: { sid: string } }
      t.same(await gateway.names(), [name], `${state}: the browser keeps the cookie`)
      await end(gateway, sid)

      const response = await gateway.send('POST', '/auth/logout')

      t.equal(response.status, 204, state)
      t.same(await gateway.names(), [], `${state}: and has none any more`)
    }
  })
}

t.test('signing out everywhere empties the jar, signing out elsewhere keeps it', async t => {
  const { signIn, send, names } = await start(t)
  await signIn('session')
  await send('POST', '/auth/logout', { scope: 'others' })
  t.same(await names(), [sessionName])
  t.equal((await send('GET', '/auth/session')).status, 200)

  await send('POST', '/auth/logout', { scope: 'all' })
  t.same(await names(), [])
})

t.test('signing in in the other mode leaves one cookie', async t => {
  const { signIn, names, send } = await start(t)
  await signIn('session')
  // The session cookie goes along to /auth/login, so the gateway knows of it.
  await signIn('tokens')
  t.same(await names(), [refreshName])
  await signIn('session')
  t.same(await names(), [sessionName])
  t.equal((await send('GET', '/auth/session')).status, 200)
})

t.test('a cookie that a renewal or a refresh replaces is replaced in the jar too', async t => {
  for (const mode of ['session', 'tokens'] as const) {
    const { signIn, send, names, jar } = await start(t)
    await signIn(mode)
    const before = await jar.getCookieString(`${origin}/auth/step-up`)
    t.equal((await send('POST', '/auth/step-up', { password })).status, 200)
    if (mode === 'tokens') t.equal((await send('POST', '/auth/refresh')).status, 200)
    t.same(await names(), [mode === 'session' ? sessionName : refreshName])
    t.not(await jar.getCookieString(`${origin}/auth/step-up`), before)
    t.equal((await send('POST', mode === 'session' ? '/auth/step-up' : '/auth/refresh', mode === 'session' ? { password } : undefined)).status, 200)
  }
})

t.test('the jar notices a deletion that a browser would ignore', async t => {
  const { signIn, names, jar } = await start(t)
  await signIn('session')
  for (const line of [`${sessionName}=; Max-Age=0; Path=/; HttpOnly`, `${sessionName}=; Max-Age=0; Path=/auth; Secure`, `${sessionName}=; Max-Age=0; Path=/; Secure; Domain=app.example.com`]) {
    await jar.setCookie(line, `${origin}/auth/logout`, { ignoreError: true })
    t.same(await names(), [sessionName], line)
  }
})

t.test('a sign-out that failed keeps the cookie, so that it can be tried again', async t => {
  const { signIn, send, names, store } = await start(t)
  const { session: { sid } } = await (await signIn('session')).json() as { session: { sid: string } }
  await store.end()
  t.equal((await send('POST', '/auth/logout')).status, 503)
  t.same(await names(), [sessionName], `${sid} may be good still`)
})
