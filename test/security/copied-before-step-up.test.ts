import t, { type Test } from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { until } from '../helpers/build-app.ts'
import { password, post, setCookies, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { claimsOf, type SignInAnswer } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'
import { advanceFamily, refresh, refreshName, type Refreshed } from '../helpers/refresh.ts'
import { startUpstream } from '../helpers/upstream.ts'
import type { OpenSession, Store } from '../../stores/store.ts'

/*
 * A refresh token was copied, and then its owner gave the password once more. The thief presents the copy while the windows still forgive
 * that, to get the fresh authentication, or the cookie that leads to it, without the password. Or the copy is the owner's: a parallel tab,
 * or a browser that the answer to the step-up never reached. That one has to go on.
 */

const minute = 60_000
const second = 1000

async function start (t: Test): Promise<TestGateway> {
  const upstream = await startUpstream(t)
  return await startGateway(t, { upstreams: [{ prefix: '/pay', target: upstream.url, audience: 'orders', stepUp: { maxAge: '5m' } }] })
}

async function stepUp (url: string, cookie: string): Promise<Refreshed> {
  const response = await post(`${url}/auth/step-up`, { password }, { cookie })
  const answer = await response.json() as SignInAnswer
  const value = setCookies(response)[refreshName]
  return { status: response.status, cookie: value === undefined ? null : `${refreshName}=${value}`, token: answer.access_token ?? '', answer, setCookies: setCookies(response) }
}

const pay = async (url: string, token: string): Promise<number> => (await fetch(`${url}/pay`, { headers: bearer(token) })).status
const authTimeOf = (token: string): unknown => claimsOf(token)['auth_time']

async function useAndWait ({ url, store }: TestGateway, token: string, sid: string): Promise<void> {
  if (await pay(url, token) !== 200) throw new Error('refused')
  await until(async () => (await store.read(sid))?.family?.received === true)
}

t.test('a copy from before a step-up that its owner uses gets neither the fresh sign-in nor a cookie', async t => {
  const gateway = await start(t)
  const { url, advance } = gateway
  const { cookie: copy, sid, token: first } = await signInForTokens(url)
  advance(10 * minute)
  const owner = await stepUp(url, copy)
  await useAndWait(gateway, owner.token, sid)
  advance(5 * second)

  const thief = await refresh(url, copy)

  t.same([thief.status, thief.cookie], [200, null])
  t.match(claimsOf(thief.token), { auth_time: authTimeOf(first), acr: '1', amr: ['pwd'], gen: 1 })
  t.equal(thief.answer.session.auth_time, authTimeOf(first))
  t.equal(await pay(url, thief.token), 401)
  const shown = await (await fetch(`${url}/auth/session`, { headers: bearer(thief.token) })).json() as SignInAnswer
  t.equal(shown.session.auth_time, authTimeOf(first), 'nor is it told of it')
  for (const scope of ['others', 'all']) await assertProblem(t, await post(`${url}/auth/logout`, { scope }, { cookie: copy }), 401, 'PTC_ERR_REFRESH_REFUSED')
  t.equal(await pay(url, owner.token), 200)
  t.equal(authTimeOf((await advanceFamily(url, owner.cookie!)).token), authTimeOf(owner.token), 'the owner keeps it')
})

t.test('a copy from before a step-up that nobody uses leads to the sign-in from before it, however far it is followed', async t => {
  const { url, advance } = await start(t)
  const { cookie: copy, token: first } = await signInForTokens(url)
  advance(10 * minute)
  const owner = await stepUp(url, copy)
  advance(1 * minute)

  let thief = await advanceFamily(url, copy)
  for (let round = 0; round < 3; round++) {
    t.equal(authTimeOf(thief.token), authTimeOf(first))
    t.equal(await pay(url, thief.token), 401)
    advance(11 * second)
    thief = await advanceFamily(url, thief.cookie)
  }
  t.equal(await pay(url, owner.token), 200, 'the access token of the step-up is the owner\'s')
})

t.test('a client that the answer to its step-up never reached goes on beyond the retry window, and steps up again', async t => {
  const { url, advance } = await start(t)
  const { cookie, token: first } = await signInForTokens(url)
  advance(10 * minute)
  await stepUp(url, cookie)
  advance(1 * minute)

  let client = await advanceFamily(url, cookie)
  for (let round = 0; round < 3; round++) {
    t.equal(authTimeOf(client.token), authTimeOf(first))
    advance(29 * minute)
    client = await advanceFamily(url, client.cookie)
  }
  const again = await stepUp(url, client.cookie)
  t.equal(await pay(url, again.token), 200)
  t.equal(authTimeOf((await advanceFamily(url, again.cookie!)).token), authTimeOf(again.token))
})

t.test('a step-up of an owner who is behind makes no token fresher that a thief got before', async t => {
  const { url, advance } = await start(t)
  const { cookie, token: first } = await signInForTokens(url)
  const thief = await advanceFamily(url, cookie)
  advance(10 * minute)

  const owner = await stepUp(url, cookie)

  t.equal(await pay(url, owner.token), 200, 'the password is right')
  advance(11 * second)
  const next = await advanceFamily(url, thief.cookie)
  t.equal(authTimeOf(next.token), authTimeOf(first))
  t.equal(await pay(url, next.token), 401)
})

t.test('a step-up while the newest token is on hold counts for its own access token, and for no other copy of that token', async t => {
  const { url, advance } = await start(t)
  const { cookie, token: first } = await signInForTokens(url)
  advance(10 * minute)
  await refresh(url, cookie)
  const newest = await advanceFamily(url, cookie)

  const held = await stepUp(url, newest.cookie)

  t.same([held.status, held.cookie, await pay(url, held.token)], [200, null, 200])
  t.equal(authTimeOf((await refresh(url, newest.cookie)).token), authTimeOf(first))
  advance(11 * second)
  t.equal(authTimeOf((await refresh(url, newest.cookie)).token), authTimeOf(first))
})

t.test('two tabs that step up with one token in the same moment both have the fresh sign-in, and one line of tokens', async t => {
  const { url, advance } = await start(t)
  const { cookie } = await signInForTokens(url)
  advance(10 * minute)

  const [one, other] = await Promise.all([stepUp(url, cookie), stepUp(url, cookie)])

  t.equal(one.cookie, other.cookie)
  for (const { token } of [one, other]) t.equal(await pay(url, token), 200)
  advance(11 * second)
  t.equal(await pay(url, (await advanceFamily(url, one.cookie!)).token), 200)
})

t.test('a step-up in the moment of a sign-out brings nothing back', async t => {
  const { url, store } = await start(t)
  for (let round = 0; round < 10; round++) {
    const { cookie, sid } = await signInForTokens(url)

    const [stepped, out] = await Promise.all([stepUp(url, cookie), post(`${url}/auth/logout`, undefined, { cookie })])

    t.equal(out.status, 204)
    t.equal(await store.read(sid), null)
    if (stepped.status === 200) t.equal((await refresh(url, stepped.cookie ?? cookie)).status, 401)
  }
})

t.test('a password never lowers what a session has proved, in either mode', async t => {
  const strong = { acr: '2', amr: ['pwd', 'otp'] }
  const openStrongly = (store: Store): Store => new Proxy(store, {
    get (target, name, receiver): unknown {
      return name === 'open' ? async (opened: OpenSession) => await target.open({ ...opened, ...strong }) : Reflect.get(target, name, receiver)
    }
  })
  const { url, advance } = await startGateway(t, {}, { wrapStore: openStrongly })
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  advance(10 * minute)

  const renewed = await (await post(`${url}/auth/step-up`, { password }, { cookie: session.cookie })).json() as SignInAnswer
  const rotated = await stepUp(url, tokens.cookie)

  for (const answer of [renewed, rotated.answer]) {
    t.match(answer.session, strong)
    t.ok(answer.session.auth_time - answer.session.created_at >= 600)
  }
  t.match(claimsOf(rotated.token), strong)
  t.match(claimsOf((await advanceFamily(url, rotated.cookie!)).token), strong)
})
