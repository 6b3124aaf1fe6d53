import { userInfo } from 'node:os'
import t from 'tap'
import { password, post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { runMain, runPortcullis, startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

/** The one audit line that a command has written, without what differs from run to run. */
function auditOf ({ stderr }: { stderr: string }): Record<string, unknown> {
  const [line = '', ...more] = stderr.trimEnd().split('\n')
  if (more.length > 0) throw new Error(`more than one line: ${stderr}`)
  const { time, hostname, ...rest } = JSON.parse(line) as Record<string, unknown>
  if (typeof time !== 'number' || typeof hostname !== 'string') throw new Error(`no time or no host: ${line}`)
  return rest
}

const by = userInfo().username

interface Credentials { cookie?: string, authorization?: string }

async function start (t: Parameters<typeof startUpstream>[0]) {
  const target = await startUpstream(t)
  const { config } = await writeConfig(t, { upstreams: [{ prefix: '/up', target: target.url, audience: 'up' }] })
  const { url } = await startPortcullis(t, config)
  const status = async (headers: Credentials) => (await fetch(`${url}/up`, { headers: { ...headers } })).status
  return { config, url, status }
}

t.test('sessions lists those of one subject as JSON lines, without a secret', async t => {
  const { config, url } = await start(t)
  const [first, second] = [await signIn(url), await signInForTokens(url)]
  await signIn(url, 'bob')

  const { code, stdout, stderr } = await runPortcullis(t, ['sessions', '--subject', 'ada', '--config', config])

  t.equal(code, 0)
  t.same(auditOf({ stderr }), { level: 30, audit: true, event: 'sessions.listed', subject: 'ada', sessions: 2, by })
  const listed = stdout.trimEnd().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
  t.same(listed.map(({ sid }) => sid).sort(), [first.sid, second.sid].sort())
  t.match(listed[0], { subject: 'ada', created_at: Number, auth_time: Number, expires_at: Number, client: { ip: '127.0.0.1' } })
  t.notMatch(stdout, first.cookie.split('.')[1])
  t.notMatch(stdout, /hash|secret|generation/i)
  const none = await runMain(['sessions', '--subject', 'nobody', '--config', config])
  t.match(none, { code: 0, stdout: '' })
  t.match(auditOf(none), { event: 'sessions.listed', subject: 'nobody', sessions: 0 })
})

t.test('a revoked session is refused by the running gateway, its tokens too', async t => {
  const { config, url, status } = await start(t)
  const [session, tokens, other] = [await signIn(url), await signInForTokens(url), await signIn(url)]
  const revoked: Array<[string, Credentials]> = [[session.sid, { cookie: session.cookie }], [tokens.sid, { authorization: `Bearer ${tokens.token}` }]]
  for (const [sid, headers] of revoked) {
    t.equal(await status(headers), 200)
    const outcome = await runMain(['revoke', '--session', sid, '--config', config])
    t.match(outcome, { code: 0, stdout: `revoked session ${sid} of ada\n` })
    t.same(auditOf(outcome), { level: 30, audit: true, event: 'revocation.added', outcome: 'sid', sid, subject: 'ada', sessions: 1, by })
    const { inVain } = await untilTrue(async () => await status(headers) === 401, 50)
    t.ok(inVain <= 1, `refused on the next request but one at most, not after ${inVain}`)
  }
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 401)
  t.equal(await status({ cookie: other.cookie }), 200)
  t.match(await runMain(['revoke', '--session', session.sid, '--config', config]), { code: 0, stdout: /no record/ })
})

t.test('a revoked subject is signed out everywhere, and may sign in again', async t => {
  const { config, url, status } = await start(t)
  const [session, tokens, bob] = [await signIn(url), await signInForTokens(url), await signIn(url, 'bob')]
  for (const headers of [{ cookie: session.cookie }, { authorization: `Bearer ${tokens.token}` }]) t.equal(await status(headers), 200)

  const outcome = await runPortcullis(t, ['revoke', '--subject', 'ada', '--config', config])
  t.match(outcome, { code: 0, stdout: 'ended 2 sessions of ada\n' })
  t.same(auditOf(outcome), { level: 30, audit: true, event: 'revocation.added', outcome: 'subject', subject: 'ada', sessions: 2, by })

  for (const headers of [{ cookie: session.cookie }, { authorization: `Bearer ${tokens.token}` }]) await untilTrue(async () => await status(headers) === 401)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 401)
  t.equal(await status({ cookie: bob.cookie }), 200)
  t.equal(await status({ cookie: (await signIn(url)).cookie }), 200)
})

t.test('a revoked token is refused, another one of the same session is not', async t => {
  const { config, url, status } = await start(t)
  const tokens = await signInForTokens(url)
  const { access_token: next } = await (await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).json() as { access_token: string }
  t.equal(await status({ authorization: `Bearer ${tokens.token}` }), 200)

  const outcome = await runMain(['revoke', '--jti', String(claimsOf(tokens.token)['jti']), '--config', config])
  t.equal(outcome.code, 0)
  t.same(auditOf(outcome), { level: 30, audit: true, event: 'revocation.added', outcome: 'jti', by })

  await untilTrue(async () => await status({ authorization: `Bearer ${tokens.token}` }) === 401)
  t.equal(await status({ authorization: `Bearer ${next}` }), 200)

  t.match(await runMain(['revoke', '--jti', String(claimsOf(next)['jti']), '--issuer', 'idp', '--config', config]), { code: 2, stdout: '', stderr: '--issuer: must be the iss of the token, https://app.example.com\n' })
  t.equal(await status({ authorization: `Bearer ${next}` }), 200)
})

t.test('revoke --all ends every session of everybody, and everybody may sign in again', async t => {
  const { config, url, status } = await start(t)
  const [ada, bob] = [await signIn(url), await signInForTokens(url, 'bob')]
  t.equal(await status({ cookie: ada.cookie }), 200)
  t.equal(await status({ authorization: `Bearer ${bob.token}` }), 200)

  const outcome = await runPortcullis(t, ['revoke', '--all', '--config', config])
  t.equal(outcome.code, 0)
  t.same(auditOf(outcome), { level: 30, audit: true, event: 'revocation.added', outcome: 'all', by })

  await untilTrue(async () => await status({ cookie: ada.cookie }) === 401)
  await untilTrue(async () => await status({ authorization: `Bearer ${bob.token}` }) === 401)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: bob.cookie })).status, 401)
  for (const username of ['ada', 'bob']) t.equal((await post(`${url}/auth/login`, { username, password })).status, 200)
  t.equal(await status({ cookie: (await signIn(url)).cookie }), 200)
})

t.test('a store in memory has no other process to tell', async t => {
  const { config } = await writeConfig(t, { store: { type: 'sqlite', path: ':memory:' } })
  t.match(await runMain(['revoke', '--all', '--config', config]), { code: 1, stdout: '', stderr: /^store\.path: [^\n]+\n$/ })
})

t.test('a misspelt subject is answered with what was ended: nothing', async t => {
  const { config, url } = await start(t)
  await signIn(url)

  const misspelt = await runMain(['revoke', '--subject', 'adaa', '--config', config])
  t.match(misspelt, { code: 0, stdout: 'no session of adaa was open; its tokens of until now are refused all the same\n' })
  t.match(auditOf(misspelt), { event: 'revocation.added', subject: 'adaa', sessions: 0 })
  t.match(await runMain(['revoke', '--subject', 'ada', '--config', config]), { code: 0, stdout: 'ended 1 session of ada\n' })
})

t.test('under sudo an audit line names the user who called it', async t => {
  const { config } = await writeConfig(t, {})
  const outcome = await runMain(['revoke', '--subject', 'ada', '--config', config], { env: { SUDO_USER: 'grace' } })

  t.match(auditOf(outcome), { by: `grace (as ${by})` })
})

t.test('what was refused or failed has no audit line', async t => {
  const { config } = await writeConfig(t, {})

  for (const args of [['revoke', '--session', 'x'], ['revoke', '--jti', 'j', '--issuer', 'idp'], ['keys', 'revoke', 'x']]) {
    t.notMatch((await runMain([...args, '--config', config])).stderr, /audit/)
  }
})
