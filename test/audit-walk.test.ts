import { readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { asAdmin, adminToken } from './helpers/admin.ts'
import { password, post, setCookies, signIn, signInForTokens } from './helpers/build-gateway.ts'
import { startPortcullis, writeConfig } from './helpers/portcullis.ts'
import { findClosedPort } from './helpers/closed-port.ts'
import { startUpstream } from './helpers/upstream.ts'

const refreshCookie = (response: Response) => `__Secure-portcullis-refresh=${setCookies(response)['__Secure-portcullis-refresh'] ?? ''}`

t.test('a walk through the gateway is in the audit log, each event once and no secret with it', async t => {
  const port = await findClosedPort()
  const up = await startUpstream(t)
  const { config, users } = await writeConfig(t, {
    admin: { port, token: adminToken },
    log: { level: 'info', access: true },
    session: { maxPerSubject: 3, idleTimeout: '4s' },
    refreshToken: { overlap: '0s', retryWindow: '2s' },
    upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }]
  })
  const gateway = await startPortcullis(t, config)
  const { url } = gateway
  const expected: string[] = []
  const secrets: string[] = [password, 'wrong zebra password', adminToken, JSON.parse(await readFile(users, 'utf8')).users[0].password as string]
  const injected = 'x"}\\n{"audit":true,"event":"session.closed"}'

  await post(`${url}/auth/login`, { username: injected, password: 'wrong zebra password' }, { 'user-agent': injected })
  expected.push('login.refused - - -')
  await post(`${url}/auth/login`, { username: 'ada', password: 'wrong zebra password' })
  expected.push('login.refused - ada -')

  const session = await signIn(url)
  secrets.push(session.cookie.split('=')[1]!, session.cookie.split('.')[1]!)
  expected.push(`session.opened ${session.sid} ada session`)
  await fetch(`${url}/up/private-path`, { headers: { cookie: session.cookie, 'user-agent': injected } })
  await post(`${url}/up`, {}, { cookie: session.cookie, 'sec-fetch-site': 'cross-site' })
  await post(`${url}/auth/logout`, undefined, { cookie: session.cookie, 'sec-fetch-site': 'same-site' })
  expected.push('csrf.refused - - -', 'csrf.refused - - -')

  const tokens = await signInForTokens(url)
  expected.push(`session.opened ${tokens.sid} ada tokens`)
  const second = await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })
  expected.push(`refresh.rotated ${tokens.sid} ada rotated`)
  const repeated = await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })
  expected.push(`refresh.repeated ${tokens.sid} ada repeated`)
  const third = await post(`${url}/auth/refresh`, undefined, { cookie: refreshCookie(second) })
  expected.push(`refresh.rotated ${tokens.sid} ada rotated`)
  const stolen = await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })
  t.equal(stolen.status, 401)
  expected.push(`refresh.reused ${tokens.sid} ada reused`)
  await post(`${url}/auth/refresh`, undefined, { cookie: refreshCookie(third) })
  expected.push(`refresh.refused ${tokens.sid} - revoked`)
  await post(`${url}/auth/refresh`, undefined, { cookie: '__Secure-portcullis-refresh=forged' })
  expected.push('refresh.refused - - forged')
  for (const response of [second, repeated, third]) secrets.push(refreshCookie(response).split('=')[1]!, (await response.json() as { access_token: string }).access_token)
  secrets.push(tokens.cookie.split('=')[1]!, tokens.token, tokens.token.split('.')[2]!)

  const many = [await signIn(url, 'bob'), await signIn(url, 'bob'), await signIn(url, 'bob'), await signIn(url, 'bob')]
  for (const [index, { sid, cookie }] of many.entries()) {
    secrets.push(cookie.split('=')[1]!)
    if (index === 3) expected.push(`session.closed ${many[0]!.sid} bob limit`)
    expected.push(`session.opened ${sid} bob session`)
  }
  for (let i = 0; i < 2; i++) await post(`${url}/auth/logout`, undefined, { cookie: many[1]!.cookie })
  expected.push(`session.closed ${many[1]!.sid} bob -`)
  await fetch(`${url}/auth/sessions/${many[2]!.sid}`, { method: 'DELETE', headers: { cookie: many[3]!.cookie } })
  expected.push(`session.closed ${many[2]!.sid} bob -`)
  await post(`${url}/auth/logout`, { scope: 'all' }, { cookie: many[3]!.cookie })
  expected.push('revocation.added - bob subject', 'session.closed - bob all')
  await post(`http://127.0.0.1:${port}/admin/revocations`, { jti: 'j-that-is-nobodys' }, asAdmin)
  expected.push('revocation.added - - jti')
  await fetch(`http://127.0.0.1:${port}/admin/sessions?subject=bob`, { headers: asAdmin })
  expected.push('sessions.listed - bob -')

  await wait(4100)
  for (let i = 0; i < 3; i++) await fetch(`${url}/up`, { headers: { cookie: session.cookie } })
  expected.push(`session.expired ${session.sid} ada idle`)
  const { stdout, stderr, code } = await gateway.end()

  t.equal(code, 0)
  t.equal(stderr, '')
  const lines = stdout.split('\n').filter(line => line.includes('"audit"'))
  const audited = lines.map(line => JSON.parse(line) as { event: string, sid?: string, subject?: string, outcome?: string, ip?: string, audit: boolean, request?: string, by?: string })
  t.same(audited.map(({ event, sid = '-', subject = '-', outcome = '-' }) => `${event} ${sid} ${subject} ${outcome}`), expected)
  t.ok(audited.every(({ audit, ip }) => audit && ip === '127.0.0.1'))
  const requested = new Set([...stdout.matchAll(/"reqId":"([^"]+)"[^\n]*"msg":"request"/g)].map(([, id]) => id))
  for (const { event, request, by } of audited) t.ok(by === 'admin' ? request !== undefined : requested.has(request), `${event} names its request`)
  t.same(audited.filter(({ by }) => by !== undefined).map(({ event, by }) => `${event} by ${by}`), ['revocation.added by admin', 'sessions.listed by admin'])
  for (const secret of secrets) t.notOk(stdout.includes(secret), secret)
  for (const word of ['private-path', 'j-that-is-nobodys', injected]) t.notOk(lines.join('\n').includes(word), word)
})
