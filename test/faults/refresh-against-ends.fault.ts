import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { recordEvents, until } from '../helpers/build-app.ts'
import { post, signInForTokens, startGateway, type SignedInWithTokens } from '../helpers/build-gateway.ts'
import { refresh } from '../helpers/refresh.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * A session ends in the moment in which it is refreshed, at another gateway, in every way in which it may end. Whoever of the two is
 * first, what the refresh gave is good for nothing afterwards: neither its refresh token nor its access token.
 * (test/security/refresh-races.test.ts has sign-out; here are the other ends, and more rounds.)
 */

const rounds = 60

type End = (person: SignedInWithTokens & { username: string }, urls: string[], revoke: (request: { sid: string } | { subject: string } | { all: true }) => Promise<void>) => Promise<unknown>

const ends: Record<string, End> = {
  'signing out': async ({ cookie }, urls) => await post(`${urls[1]}/auth/logout`, undefined, { cookie }),
  'signing out everywhere': async ({ token }, urls) => await post(`${urls[1]}/auth/logout`, { scope: 'all' }, bearer(token)),
  'an operator who ends the session': async ({ sid }, _urls, revoke) => { await revoke({ sid }) },
  'an operator who ends the subject': async ({ username }, _urls, revoke) => { await revoke({ subject: username }) },
  'an operator who ends everybody': async (_person, _urls, revoke) => { await revoke({ all: true }) },
  'a sign-in too many': async ({ username }, urls) => await signInForTokens(urls[1]!, username)
}

for (const [what, end] of Object.entries(ends)) {
  t.test(`a refresh beside ${what} leaves nothing that is good, whoever is first`, async t => {
    const { gateway, healthy, urls } = await startFaultyRedis(t, { more: { session: { maxPerSubject: 1 } } })
    const events = recordEvents(t)
    let first = 0
    for (let round = 0; round < rounds; round++) {
      const username = `user-${round}`
      const person = { username, ...await signInForTokens(gateway.url, username) }

      const [answers] = await Promise.all([
        Promise.all(Array.from({ length: 3 }, async (_, index) => {
          await sleep(Math.random() * 4)
          return await refresh(urls()[index % 2]!, person.cookie)
        })),
        sleep(Math.random() * 4).then(async () => await end(person, urls(), async request => { await healthy.app.portcullis.blocklist.revoke(request) }))
      ])

      if (answers.some(({ status }) => status === 200)) first++
      for (const { status } of answers) t.ok([200, 401].includes(status))
      for (const cookie of new Set([person.cookie, ...answers.flatMap(({ cookie }) => cookie ?? [])])) {
        for (const url of urls()) t.equal((await refresh(url, cookie)).status, 401)
      }
      for (const token of [person.token, ...answers.map(({ token }) => token)].filter(token => token !== '')) {
        for (const url of urls()) await until(async () => (await fetch(`${url}/up`, { headers: bearer(token) })).status === 401)
      }
    }
    t.comment(`in ${first} of ${rounds} rounds a refresh came before the end`)
    t.notOk(events.some(({ event }) => event === 'refresh.reused'))
  })
}

t.test('a refresh in the last moments of a session gives nothing that outlives it', async t => {
  const hour = 3_600_000
  const gateway = await startGateway(t, { session: { idleTimeout: '1h', absoluteTimeout: '1h' } })
  for (let round = 0; round < 20; round++) {
    const { cookie } = await signInForTokens(gateway.url, `user-${round}`)
    gateway.advance(hour - 30)

    const answers = await Promise.all(Array.from({ length: 8 }, async (_, index) => {
      await sleep(index * 8)
      return await refresh(gateway.url, cookie)
    }))

    gateway.advance(30)
    for (const { status } of answers) t.ok([200, 401].includes(status))
    for (const next of new Set([cookie, ...answers.flatMap(({ cookie }) => cookie ?? [])])) t.equal((await refresh(gateway.url, next)).status, 401)
  }
})
