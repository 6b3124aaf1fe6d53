import t from 'tap'
import { password, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { startPortcullis, writeConfig } from '../helpers/portcullis.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * An address is copied into chats, kept in histories, sent on as Referer and written into the logs of everything on the way. A gateway
 * that takes a session or a token out of it makes every one of these a place to steal sessions from, and lets anybody put their
 * own session into somebody else's browser with a link. The same goes for headers and form fields that scripts of any page can
 * set. And who sends a credential in the wrong place by mistake should not find it in our log.
 */
t.test('credentials in queries, paths, bodies and other headers are nobody\'s, and are not logged', async t => {
  const up = await startUpstream(t)
  const { config } = await writeConfig(t, {
    log: { level: 'trace', access: true },
    upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }, { prefix: '/dead', target: `http://127.0.0.1:${await findClosedPort()}`, access: 'public' }]
  })
  const gateway = await startPortcullis(t, config)
  const { url } = gateway
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  const [cookie = '', refresh = ''] = [session.cookie, tokens.cookie].map(pair => pair.split('=')[1])
  const names = { '__Host-Http-portcullis': cookie, '__Secure-portcullis-refresh': refresh, sid: session.sid, session: cookie, access_token: tokens.token, token: tokens.token, refresh_token: refresh }
  const query = new URLSearchParams(names).toString()

  const headers = Object.fromEntries([
    ...['x-session-id', 'x-session', '__host-portcullis'].map(name => [name, cookie]),
    ...['x-access-token', 'x-auth-token', 'x-forwarded-access-token', 'x-jwt-assertion'].map(name => [name, tokens.token]),
    ...['x-authorization', 'proxy-authorization', 'x-original-authorization'].map(name => [name, `Bearer ${tokens.token}`]),
    ...['x-cookie', 'set-cookie', 'cookie2'].map(name => [name, session.cookie]),
    ...['x-auth-subject', 'x-remote-user', 'remote-user', 'x-forwarded-user'].map(name => [name, 'ada']),
    ['x-auth-session', session.sid]
  ]) as Record<string, string>
  const schemes = [`Session ${cookie}`, `Cookie ${session.cookie}`, `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`, `Token ${tokens.token}`, `JWT ${tokens.token}`, tokens.token]
  for (const path of ['/up', '/auth/session', '/auth/sessions']) {
    t.equal((await fetch(`${url}${path}?${query}`)).status, 401, path)
    t.equal((await fetch(`${url}${path}?${query}`, { headers })).status, 401, path)
    for (const authorization of schemes) t.equal((await fetch(`${url}${path}`, { headers: { ...headers, authorization } })).status, 401, authorization.split(' ')[0]!)
  }
  for (const segment of Object.values(names)) {
    for (const address of [`/up;jsessionid=${segment}`, `/auth/session;sid=${segment}`]) t.equal((await fetch(`${url}${address}`)).status, 400, address.split('=')[0]!)
  }
  const json = { 'content-type': 'application/json' }
  for (const [path, body, type] of [
    ['/auth/refresh', JSON.stringify({ refresh_token: refresh }), 400], ['/auth/logout', JSON.stringify({ sid: session.sid }), 400], ['/auth/step-up', JSON.stringify({ password, session: cookie }), 400],
    ['/auth/refresh', undefined, 401], ['/auth/refresh', query, 415], ['/auth/logout', query, 415]
  ] as const) {
    const request = body === undefined ? { headers } : { headers: { ...headers, ...type === 415 ? { 'content-type': 'application/x-www-form-urlencoded' } : json }, body }
    t.equal((await fetch(`${url}${path}?${query}`, { method: 'POST', ...request })).status, type, path)
  }
  t.same(up.requests, [])
  t.equal((await fetch(`${url}/up`, { headers: { cookie: session.cookie } })).status, 200, 'the session is good, in its own place')
  t.equal((await fetch(`${url}/up`, { headers: { authorization: `Bearer ${tokens.token}` } })).status, 200, 'and so is the token')
  t.equal((await fetch(`${url}/dead?${query}`, { headers })).status, 502, 'and a failure is logged')

  const { stdout, stderr } = await gateway.end()
  t.ok(stdout.split('\n').length > 40 && stdout.includes('"path":"/dead"'), 'everything was logged')
  for (const [name, value] of Object.entries({ cookie, secret: cookie.split('.')[1]!, refresh, token: tokens.token, signature: tokens.token.split('.')[2]! })) t.notOk((stdout + stderr).includes(value), `${name} is not in the log`)
})
