import t from 'tap'
import { recordEvents, until } from '../helpers/build-app.ts'
import { bearer } from '../helpers/bearer.ts'
import { password, post, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { refresh, refreshName, type Refreshed } from '../helpers/refresh.ts'
import { startRedisGateways } from '../helpers/redis-gateways.ts'
import { startRedis } from '../helpers/redis-server.ts'

/*
 * One refresh token is presented many times in the same moment, at several gateways. Where reading and writing are two steps, more
 * than one of them is the first, and the family forks: a thief then has a line of tokens of their own, that reuse detection never
 * meets. Or the refresh runs beside a sign-out, and what it answers is good although everything should have ended.
 */

const statusesOf = (answers: Refreshed[]) => [...new Set(answers.map(({ status }) => status))].sort()
const cookiesOf = (answers: Refreshed[]) => [...new Set(answers.flatMap(({ cookie }) => cookie ?? []))]

t.test('a thousand uses of one refresh token at two gateways have one successor', async t => {
  const events = recordEvents(t)
  const gateways = await startRedisGateways(t, await startRedis(t), 2)
  const { cookie, sid } = await signInForTokens(gateways[0]!.url)

  const answers = await Promise.all(Array.from({ length: 1000 }, async (_, index) => await refresh(gateways[index % 2]!.url, cookie)))

  t.same(statusesOf(answers), [200])
  const next = cookiesOf(answers)
  t.equal(next.length, 1)
  t.not(next[0], cookie)
  t.same(new Set(answers.map(({ token }) => claimsOf(token)['gen'])), new Set([2]))
  t.same(new Set(answers.map(({ answer }) => answer.session.sid)), new Set([sid]))
  t.equal(events.filter(({ event }) => event === 'refresh.rotated').length, 1)
  t.equal(events.filter(({ event }) => event === 'refresh.repeated').length, 999)
  for (const { url } of gateways) t.equal((await refresh(url, next[0]!)).status, 200, 'the one line goes on')
})

t.test('with both windows at 0s a thousand uses at two gateways succeed once, and end the session', async t => {
  const events = recordEvents(t)
  const gateways = await startRedisGateways(t, await startRedis(t), 2, { refreshToken: { overlap: '0s', retryWindow: '0s' } })
  const { cookie, token } = await signInForTokens(gateways[0]!.url)

  const answers = await Promise.all(Array.from({ length: 1000 }, async (_, index) => await refresh(gateways[index % 2]!.url, cookie)))

  const good = answers.filter(({ status }) => status === 200)
  t.equal(good.length, 1)
  t.same(statusesOf(answers), [200, 401])
  t.ok(answers.every(({ status, setCookies }) => status === 200 || Object.keys(setCookies).length === 0))
  t.equal(events.filter(({ event }) => event === 'refresh.reused').length, 1)
  for (const { url } of gateways) {
    t.equal((await refresh(url, good[0]!.cookie!)).status, 401)
    for (const dead of [token, good[0]!.token]) await until(async () => (await fetch(`${url}/orders`, { headers: bearer(dead) })).status === 401)
  }
})

t.test('a refresh beside a sign-out leaves nothing that is good, whoever is first', async t => {
  const gateways = await startRedisGateways(t, await startRedis(t), 2)
  const [one, other] = [gateways[0]!.url, gateways[1]!.url]
  for (let round = 0; round < 25; round++) {
    const { cookie, token } = await signInForTokens(one)

    const [first, signedOut, second] = await Promise.all([refresh(one, cookie), post(`${round % 2 === 0 ? one : other}/auth/logout`, undefined, { cookie }), refresh(other, cookie)])

    t.equal(signedOut.status, 204)
    for (const answer of [first, second]) t.ok([200, 401].includes(answer.status))
    for (const dead of new Set([cookie, ...cookiesOf([first, second])])) {
      for (const url of [one, other]) t.equal((await refresh(url, dead)).status, 401)
    }
    for (const dead of [token, first.token, second.token].filter(token => token !== '')) {
      for (const url of [one, other]) await until(async () => (await fetch(`${url}/orders`, { headers: bearer(dead) })).status === 401)
    }
  }
})

t.test('two refreshes, a step-up and a sign-in in the same moment leave one line of tokens a session', async t => {
  const { url, store } = await startGateway(t)
  for (let round = 0; round < 10; round++) {
    const { cookie, sid } = await signInForTokens(url)
    const stepUp = async () => {
      const response = await post(`${url}/auth/step-up`, { password }, { cookie })
      return { status: response.status, cookie: response.headers.getSetCookie()[0]?.split(';')[0] ?? null }
    }

    const answers = await Promise.all([refresh(url, cookie), stepUp(), refresh(url, cookie), signInForTokens(url)] as const)

    const cookies = new Set(answers.slice(0, 3).flatMap(({ cookie }) => cookie ?? []))
    t.same([answers[0].status, answers[1].status, answers[2].status], [200, 200, 200])
    t.equal(cookies.size, 1)
    t.match([...cookies][0], new RegExp(`^${refreshName}=`))
    t.match(await store.read(sid), { family: { generation: 2 } })
    t.match(await store.read(answers[3].sid), { family: { generation: 1 } })
  }
})

t.test('a hundred step-ups with one cookie of a session give one new cookie', async t => {
  const { url } = await startGateway(t)
  const login = await post(`${url}/auth/login`, { username: 'ada', password })
  const cookie = login.headers.getSetCookie()[0]!.split(';')[0]!

  const answers = await Promise.all(Array.from({ length: 100 }, async () => await post(`${url}/auth/step-up`, { password }, { cookie })))
  const cookies = answers.flatMap(response => response.headers.getSetCookie()[0]?.split(';')[0] ?? [])
  const good = await Promise.all(cookies.map(async cookie => (await fetch(`${url}/auth/session`, { headers: { cookie } })).status))

  t.equal(new Set(cookies).size, cookies.length)
  t.equal(good.filter(status => status === 200).length, 1, 'the last one written')
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 401)
})
