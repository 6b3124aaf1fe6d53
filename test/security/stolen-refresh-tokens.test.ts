import t from 'tap'
import { recordEvents, until } from '../helpers/build-app.ts'
import { bearer } from '../helpers/bearer.ts'
import { origin, post, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'
import { advanceFamily, refresh } from '../helpers/refresh.ts'

/*
 * A refresh token was copied: from a backup of a browser's profile, a log, a machine that was borrowed. Thief and owner now hold the
 * same one, and whoever comes second holds one that was used. The thief may wait for hours and many rotations, so that what
 * remembers only the last token has forgotten theirs; or go on refreshing, so that the session never ends.
 */

const second = 1000
const minute = 60 * second

const get = async (url: string, token: string, path = '/orders'): Promise<number> => (await fetch(`${url}${path}`, { headers: bearer(token) })).status

/** The newest access token is used, which proves that its refresh token arrived; resolves when the store knows. */
async function use ({ url, store }: TestGateway, { token, sid }: { token: string, sid: string }): Promise<void> {
  if (await get(url, token) !== 200) throw new Error('refused')
  await until(async () => (await store.read(sid))?.family?.received === true)
}

t.test('a refresh token of any generation that was used ends the session, the newest tokens included, and no other session', async t => {
  const gateway = await startGateway(t)
  const { url, advance } = gateway
  const events = recordEvents(t)
  for (let stolen = 0; stolen < 10; stolen++) {
    const { cookie, sid } = await signInForTokens(url)
    const neighbour = await signInForTokens(url)
    const generations = [cookie]
    let newest = { cookie, token: '' }
    for (let rotation = 0; rotation < 10; rotation++) {
      advance(2 * second)
      newest = await advanceFamily(url, newest.cookie)
      generations.push(newest.cookie)
    }
    await use(gateway, { token: newest.token, sid })
    advance(11 * second)

    const answer = await refresh(url, generations[stolen]!)

    t.same([answer.status, answer.setCookies], [401, {}], `generation ${stolen}`)
    t.match(events.at(-1), { event: 'refresh.reused', sid, subject: 'ada' })
    await assertProblem(t, await post(`${url}/auth/refresh`, undefined, { cookie: newest.cookie }), 401, 'PTC_ERR_REFRESH_REFUSED')
    for (const path of ['/orders', '/auth/session']) t.equal(await get(url, newest.token, path), 401)
    t.equal((await refresh(url, neighbour.cookie)).status, 200, 'the neighbour')
  }
})

t.test('the first refresh token is still theft after fifty rotations and most of a day', async t => {
  const gateway = await startGateway(t)
  const { url, advance } = gateway
  const { cookie: stolen, sid } = await signInForTokens(url)
  let newest = await advanceFamily(url, stolen)
  for (let rotation = 1; rotation < 50; rotation++) {
    advance(28 * minute)
    newest = await advanceFamily(url, newest.cookie)
  }
  t.equal(claimsOf(newest.token)['gen'], 51)

  t.equal((await refresh(url, stolen)).status, 401)

  t.equal((await refresh(url, newest.cookie)).status, 401)
  t.equal(await gateway.store.read(sid), null)
})

t.test('whoever of thief and owner comes second ends it for both', async t => {
  const gateway = await startGateway(t)
  const { url, advance } = gateway

  const robbed = await signInForTokens(url)
  const thief = await advanceFamily(url, robbed.cookie)
  await use(gateway, { token: thief.token, sid: robbed.sid })
  advance(8 * minute)
  t.equal((await refresh(url, robbed.cookie)).status, 401, 'the owner comes second')
  t.equal((await refresh(url, thief.cookie)).status, 401)
  t.equal(await get(url, thief.token), 401)

  const careful = await signInForTokens(url)
  const owner = await advanceFamily(url, careful.cookie)
  await use(gateway, { token: owner.token, sid: careful.sid })
  advance(11 * second)
  t.equal((await refresh(url, careful.cookie)).status, 401, 'the thief comes second')
  t.equal((await refresh(url, owner.cookie)).status, 401)
  t.equal(await get(url, owner.token), 401)
})

t.test('a thief who copies within the overlap gets the next token of the owner, and is found at the next step', async t => {
  const gateway = await startGateway(t)
  const { url, advance } = gateway
  const { cookie, sid } = await signInForTokens(url)
  const owner = await advanceFamily(url, cookie)
  await use(gateway, { token: owner.token, sid })
  advance(5 * second)

  const thief = await refresh(url, cookie)
  t.equal(thief.cookie, owner.cookie, 'no line of their own')

  advance(11 * second)
  const next = await advanceFamily(url, owner.cookie)
  await use(gateway, { token: next.token, sid })
  advance(11 * second)
  t.equal((await refresh(url, thief.cookie!)).status, 401)
  t.equal((await refresh(url, next.cookie)).status, 401)
})

t.test('twenty rotations extend neither the session nor a token beyond its end, and make no sign-in younger', async t => {
  const { url, advance } = await startGateway(t, { session: { idleTimeout: '30m', absoluteTimeout: '4h' } })
  const signedIn = await signInForTokens(url)
  const first = claimsOf(signedIn.token)
  let newest = await advanceFamily(url, signedIn.cookie)
  const { expires_at: end } = newest.answer.session
  for (let rotation = 0; rotation < 20; rotation++) {
    advance(11 * minute)
    newest = await advanceFamily(url, newest.cookie)
    const { session, expires_in: expiresIn } = newest.answer
    t.equal(session.expires_at, end)
    t.match(claimsOf(newest.token), { auth_time: first['auth_time'], acr: first['acr'], amr: first['amr'], sid: signedIn.sid, sub: 'ada', aud: ['orders', 'billing', origin], scope: first['scope'] })
    t.ok(session.idle_expires_at <= end)
    t.ok(expiresIn! <= 600)
    t.ok(Number(claimsOf(newest.token)['exp']) <= end)
  }
  advance(19 * minute)
  t.equal((await refresh(url, newest.cookie)).status, 200, 'in the last minute')
  advance(minute)
  t.equal((await refresh(url, newest.cookie)).status, 401, 'after the end, also as a retry')
})

t.test('a retry within its window is refused once the session has ended: idle, signed out, or cut off', async t => {
  const ends: Record<string, (gateway: TestGateway, cookie: string) => unknown> = {
    idle: ({ advance }) => { advance(30 * minute) },
    'signed out': async ({ url }, cookie) => await post(`${url}/auth/logout`, undefined, { cookie }),
    'signed out everywhere': async ({ url }, cookie) => await post(`${url}/auth/logout`, { scope: 'all' }, { cookie }),
    'cut off': async ({ app }) => { await app.portcullis.blocklist.revoke({ subject: 'ada' }) },
    'ended from elsewhere': async ({ app }, cookie) => { await app.portcullis.blocklist.close(Buffer.from(cookie.split('=')[1]!, 'base64url').toString('base64url', 4, 20)) }
  }
  for (const [what, end] of Object.entries(ends)) {
    const gateway = await startGateway(t, { refreshToken: { retryWindow: '30m' } })
    const { cookie } = await signInForTokens(gateway.url)
    const lost = await advanceFamily(gateway.url, cookie)
    t.equal((await refresh(gateway.url, cookie)).cookie, lost.cookie, 'a retry is answered the same')

    await end(gateway, lost.cookie)

    for (const dead of [cookie, lost.cookie]) {
      const answer = await refresh(gateway.url, dead)
      t.same([answer.status, answer.setCookies], [401, {}], what)
    }
  }
})
