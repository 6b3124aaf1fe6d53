import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { password, post, setCookies, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { runPortcullis, startPortcullis, writeConfig } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * Logs, error pages, copies of the database and upstreams are read by more people than may act as a user. Whoever finds a cookie, a
 * token or a password there is that user until it ends. So a whole walk through the gateway, refusals and failures included, is
 * made at the most talkative level, and everything it printed, answered, stored and forwarded is searched for every secret.
 */
t.test('no secret, cookie, token or password is printed, stored, or sent to an upstream', async t => {
  const [up, open] = [await startUpstream(t), await startUpstream(t)]
  const broken = await startUpstream(t, request => { request.socket.destroy() })
  const secret = randomBytes(32).toString('base64url')
  const { config, folder, users } = await writeConfig(t, {
    secret: '${PORTCULLIS_SECRET}', // eslint-disable-line no-template-curly-in-string
    log: { level: 'trace', access: true },
    upstreams: [
      { prefix: '/up', target: up.url, audience: 'up' }, { prefix: '/open', target: open.url, access: 'public', forward: 'headers' }, { prefix: '/broken', target: broken.url, audience: 'broken' }
    ]
  })
  const env = { PORTCULLIS_SECRET: secret }
  const gateway = await startPortcullis(t, config, { env })
  const { url } = gateway

  // Everything that was ever good, by what it is, and all that was answered besides the answers that have to hold it.
  const secrets = new Map<string, string>([['the password', password], ['a wrong password', 'wrong zebra password'], ['the secret', secret]])
  const answers: string[] = []
  const session = await signIn(url)
  const tokens = await signInForTokens(url)
  const refreshed = await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })
  const next = { cookie: `__Secure-portcullis-refresh=${setCookies(refreshed)['__Secure-portcullis-refresh'] ?? ''}`, token: (await refreshed.json() as { access_token: string }).access_token }
  secrets.set('the session cookie', session.cookie.split('=')[1]!)
  secrets.set('the session secret', session.cookie.split('.')[1]!)
  secrets.set('the refresh token', tokens.cookie.split('=')[1]!)
  secrets.set('the next refresh token', next.cookie.split('=')[1]!)
  secrets.set('the access token', tokens.token)
  secrets.set('its signature', tokens.token.split('.')[2]!)
  secrets.set('the next access token', next.token)
  secrets.set('its signature too', next.token.split('.')[2]!)

  const bearer = { authorization: `Bearer ${tokens.token}` }
  const both = { cookie: `${session.cookie}; ${next.cookie}` }
  const walk: Array<[string, string, Record<string, string>, unknown?]> = [
    ['GET', '/up/x', both], ['POST', '/up/x', bearer, { a: 1 }], ['GET', '/open/x', both], ['GET', '/open/x', bearer], ['GET', '/broken/x', both], ['GET', '/broken/x', bearer],
    ['GET', '/auth/session', both], ['GET', '/auth/sessions', bearer], ['GET', '/up', { ...both, ...bearer }], ['GET', '/up', { cookie: `${session.cookie}; ${session.cookie}` }],
    ['GET', '/up', { authorization: `Bearer ${tokens.token}x` }], ['GET', '/up', { cookie: `${session.cookie}x` }], ['POST', '/auth/refresh', { cookie: `${next.cookie}x` }], ['POST', '/auth/refresh', { cookie: session.cookie }],
    ['POST', '/auth/login', {}, { username: 'ada', password: 'wrong zebra password' }], ['POST', '/auth/login', both, { username: 'ada', password, mode: 'wrong zebra password' }],
    ['POST', '/auth/login', {}, { username: 'wrong zebra password', password, [password]: password }], ['POST', '/auth/login', {}, { username: 'ada', password, audience: ['wrong zebra password'] }],
    ['POST', '/auth/logout', { ...both, 'sec-fetch-site': 'cross-site' }], ['GET', '/nowhere', both], ['DELETE', '/auth/sessions/x', bearer], ['POST', '/auth/logout', { authorization: `Bearer ${tokens.token.slice(0, -1)}` }]
  ]
  for (const [method, path, headers, body] of walk) {
    const response = await fetch(`${url}${path}`, { method, headers: { ...body === undefined ? {} : { 'content-type': 'application/json' }, ...headers }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
    answers.push(`${JSON.stringify([...response.headers])} ${await response.text()}`)
  }
  for (const { headers } of [...up.requests]) secrets.set(`a minted token ${String(headers.authorization)}`, String(headers.authorization).slice('Bearer '.length))
  t.ok(up.requests.length >= 2 && open.requests.length >= 2, 'the upstreams were reached')
  const listed = await runPortcullis(t, ['sessions', '--subject', 'ada', '--config', config], { env })
  const checked = await runPortcullis(t, ['check', '--config', config], { env })
  const stored = (await Promise.all((await readdir(folder)).filter(name => name.startsWith('portcullis.db')).map(async name => (await readFile(join(folder, name))).toString('latin1')))).join('\n')
  await post(`${url}/auth/logout`, undefined, both)
  const { stdout, stderr, code } = await gateway.end()
  t.equal(code, 0)
  t.match(stdout, /"level":(10|20|30)/, 'the log was as talkative as it can be')

  const { users: hashes } = JSON.parse(await readFile(users, 'utf8')) as { users: Array<{ password: string }> }
  for (const { password: hash } of hashes) secrets.set('a password hash', hash)
  const read = (from: typeof up) => from.requests.map(({ url: path, rawHeaders, body }) => `${path} ${rawHeaders.join(' ')} ${body}`).join('\n')
  const places: Record<string, string> = { stdout, stderr, answers: answers.join('\n'), 'the list': listed.stdout + listed.stderr, 'the check': checked.stdout + checked.stderr, 'the database': stored, 'an upstream': read(up), 'the public upstream': read(open) }
  for (const [place, text] of Object.entries(places)) {
    t.ok(text.length > 0 || place === 'stderr', place)
    for (const [what, value] of secrets) {
      if (place === 'an upstream' && what.startsWith('a minted token')) continue
      t.notOk(text.includes(value), `${what.slice(0, 40)} is not in ${place}`)
    }
  }
})
