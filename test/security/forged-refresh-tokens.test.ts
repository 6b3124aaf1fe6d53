import { createHmac, randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { formatRefreshToken } from '../../lib/session/refresh-token.ts'
import { deriveSecret } from '../../lib/secrets.ts'
import { recordEvents } from '../helpers/build-app.ts'
import { origin, post, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { createOutage } from '../helpers/outage.ts'
import { refresh, refreshName } from '../helpers/refresh.ts'

/*
 * Refresh tokens are guessed and made up by the thousand: to hit a good one, to make the store search for each, or to sign people
 * out, because a token that looks like an old one of theirs counts as stolen. The `sid` that is part of a token is no secret, so
 * anybody who has seen one can make something that looks like a token of that session.
 */

const secret = randomBytes(32).toString('base64url')

async function statusOf (app: FastifyInstance, token: string, path = '/auth/refresh'): Promise<{ status: number, body: string, setCookie: unknown }> {
  const { statusCode, body, headers } = await app.inject({ method: 'POST', url: path, headers: { cookie: `${refreshName}=${token}` }, ...path === '/auth/step-up' ? { payload: { password: 'correct horse' } } : {} })
  return { status: statusCode, body, setCookie: headers['set-cookie'] }
}

/** Everything about a token but its MAC is known to whoever makes these. */
function makeForgery (good: string, sid: string, index: number): string {
  const bytes = Buffer.from(good, 'base64url')
  const part = (length: number) => randomBytes(length)
  switch (index % 10) {
    case 0: return part(56).toString('base64url').replace(/^.{6}/, good.slice(0, 6))
    case 1: part(32).copy(bytes, 24); break
    case 2: bytes.writeUInt32BE(1 + index % 4, 20); part(16).copy(bytes, 24); break
    case 3: part(16).copy(bytes, 4); break
    case 4: bytes[24 + index % 32]! ^= 1 + index % 255; break
    case 5: bytes.writeUInt32BE(2 ** 32 - 1, 20); break
    // Of any other length than a token has.
    case 6: return randomBytes(index % 200 === 56 ? 55 : index % 200).toString('base64url')
    case 7: return `${good}${'=A.~'[index % 4]!}`
    case 8: createHmac('sha256', secret).update(bytes.subarray(4, 24)).digest().copy(bytes, 24); break
    case 9: bytes.write(sid, 4, 'base64url'); bytes.writeUInt32BE(index, 20); break
  }
  return bytes.toString('base64url')
}

t.test('ten thousand forged tokens are refused alike without a question to the store, and end no session', async t => {
  const outage = createOutage()
  const { app, url } = await startGateway(t, { secret, session: { maxPerSubject: 1000 } }, outage)
  const people = await Promise.all(Array.from({ length: 20 }, async (_, index) => await signInForTokens(url, `user-${index}`)))
  const events = recordEvents(t)
  const goods = new Set(people.map(({ cookie }) => cookie.split('=')[1]!))
  const before = outage.calls.length
  const answers = new Map<string, number>()

  for (let index = 0; index < 10_000; index++) {
    const { cookie } = people[index % people.length]!
    const forgery = makeForgery(cookie.split('=')[1]!, people[(index + 1) % people.length]!.sid, index)
    if (goods.has(forgery)) t.fail(`no forgery: ${index}`)
    const { status, body, setCookie } = await statusOf(app, forgery)
    const answer = `${status} ${body} ${String(setCookie)}`
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
  }

  t.equal(answers.size, 1)
  t.match([...answers.keys()][0], /^401 .*PTC_ERR_REFRESH_REFUSED.* undefined$/)
  t.same(outage.calls.slice(before).filter(name => name !== 'pull'), [], 'the store is only asked for its log, as ever')
  t.same([...new Set(events.map(({ event }) => event))], ['refresh.refused'])
  for (const { cookie } of people) t.equal((await refresh(url, cookie)).status, 200)
})

t.test('tokens of a secret that is not known here say so, and end nothing either', async t => {
  const outage = createOutage()
  const { app, url } = await startGateway(t, { secret }, outage)
  const { cookie } = await signInForTokens(url)
  const before = outage.calls.length
  for (let index = 0; index < 200; index++) {
    const { status, setCookie } = await statusOf(app, randomBytes(56).toString('base64url'))
    t.same([status, setCookie], [503, undefined])
  }
  t.same(outage.calls.slice(before).filter(name => name !== 'pull'), [])
  t.equal((await refresh(url, cookie)).status, 200)
})

t.test('a forged token is worth nothing at step-up and sign-out', async t => {
  const { app, url } = await startGateway(t, { secret })
  const { cookie, sid } = await signInForTokens(url)
  const good = cookie.split('=')[1]!
  for (let index = 0; index < 60; index++) {
    const forgery = makeForgery(good, sid, index)
    if (forgery === good) continue
    t.equal((await statusOf(app, forgery, '/auth/step-up')).status, 401, `step-up ${index}`)
    // Signing out what is nobody's is done already.
    t.equal((await statusOf(app, forgery, '/auth/logout')).status, 204, `sign-out ${index}`)
  }
  t.equal((await refresh(url, cookie)).status, 200)
})

t.test('a genuine token of a session that never was, or of another mode, ends nothing', async t => {
  const { app, url } = await startGateway(t, { secret })
  const session = await signIn(url)
  const derived = deriveSecret(secret)
  for (const [sid, generation] of [['A'.repeat(22), 1], [session.sid, 1], [session.sid, 2]] as const) {
    const { status } = await statusOf(app, formatRefreshToken(derived, sid, generation))
    t.equal(status, 401, `${sid} ${generation}`)
  }
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: session.cookie } })).status, 200, 'a session cookie is not ended by a refresh token')
})

t.test('no two people, and no two sign-ins, have a token that tells of another', async t => {
  const { url } = await startGateway(t, { secret, session: { maxPerSubject: 1000 } })
  const values = await Promise.all(Array.from({ length: 200 }, async (_, index) => (await signInForTokens(url, `user-${index % 3}`)).cookie.split('=')[1]!))
  t.equal(new Set(values).size, 200)
  t.equal(new Set(values.map(value => Buffer.from(value, 'base64url').toString('hex', 4, 20))).size, 200, 'sessions')
  t.equal(new Set(values.map(value => Buffer.from(value, 'base64url').toString('hex', 24))).size, 200, 'MACs')
  t.ok(values.every(value => Buffer.from(value, 'base64url').length - 24 === 32))
})

t.test('a refresh token is taken from its cookie alone, and by POST alone', async t => {
  const { url } = await startGateway(t, { secret })
  const { cookie, token } = await signInForTokens(url)
  const value = cookie.split('=')[1]!
  const elsewhere: Array<Record<string, string>> = [{ authorization: `Bearer ${value}` }, { authorization: `Refresh ${value}` }, { 'x-refresh-token': value }, { cookie: `refresh_token=${value}` }, { cookie: `__Host-Http-portcullis-refresh=${value}` }, { cookie: `portcullis-refresh=${value}` }, { cookie: `${refreshName.toLowerCase()}=${value}` }, { authorization: `Bearer ${token}` }]
  for (const headers of elsewhere) t.equal((await post(`${url}/auth/refresh`, undefined, headers)).status, 401, JSON.stringify(headers))
  for (const body of [{ refresh_token: value }, { grant_type: 'refresh_token', refresh_token: value }, { grant_type: 'password', username: 'ada', password: 'correct horse' }]) t.equal((await post(`${url}/auth/refresh`, body)).status, 400)
  for (const path of ['/oauth/token', '/auth/token', '/oauth/authorize']) {
    t.equal((await fetch(`${url}${path}`, { method: 'POST', body: new URLSearchParams({ grant_type: 'password', username: 'ada', password: 'correct horse' }), headers: { origin } })).status, 404, path)
  }
  for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) t.equal((await fetch(`${url}/auth/refresh`, { method, headers: { cookie } })).status, 404, method)
  t.equal((await refresh(url, cookie)).answer.session.subject, 'ada', 'nothing of that was a use')
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: `${cookie}; ${cookie}` })).status, 400, 'twice is none')
})
