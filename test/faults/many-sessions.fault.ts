import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { until } from '../helpers/build-app.ts'
import { post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import type { OpenSession } from '../../stores/store.ts'
import { session as sessionOf, tokens } from '../../stores/contract/fixtures.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * One subject signs in again and again, or the store is full of sessions when everybody has to go. Whatever grows with the number of
 * sessions of somebody else holds up everybody.
 */

const session = (subject: string): OpenSession => sessionOf({ ...tokens, subject, audiences: ['up'], maxPerSubject: 20 })

t.test('five thousand sign-ins of one subject leave as many sessions as one may have, and all of them end with one word', async t => {
  const { gateway: { app, url }, healthy, urls } = await startFaultyRedis(t, { more: { session: { maxPerSubject: 20 } } })
  const neighbour = await signIn(url, 'bob')
  for (let batch = 0; batch < 50; batch++) {
    await Promise.all(Array.from({ length: 100 }, async (_, index) => await (index % 2 === 0 ? app : healthy.app).portcullis.store.open(session('ada'))))
  }
  t.equal((await app.portcullis.store.list('ada')).length, 20)
  const newest = await signInForTokens(url, 'ada')
  t.equal((await app.portcullis.store.list('ada')).length, 20)

  t.equal((await post(`${url}/auth/logout`, { scope: 'all' }, { cookie: newest.cookie })).status, 204)

  t.same(await app.portcullis.store.list('ada'), [])
  for (const url of urls()) {
    await until(async () => (await fetch(`${url}/up`, { headers: bearer(newest.token) })).status === 401)
    t.equal((await fetch(`${url}/up`, { headers: { cookie: neighbour.cookie } })).status, 200)
  }
})

t.test('a hundred parallel sign-ins at two gateways never leave more sessions than one may have', async t => {
  const { gateway: { app }, urls } = await startFaultyRedis(t, { more: { session: { maxPerSubject: 5 } } })
  const over = new AbortController()
  const most = (async () => {
    let most = 0
    while (!over.signal.aborted) most = Math.max(most, (await app.portcullis.store.list('ada')).length)
    return most
  })()

  const signedIn = await Promise.all(Array.from({ length: 100 }, async (_, index) => await (index % 4 < 2 ? signIn : signInForTokens)(urls()[index % 2]!, 'ada')))
  over.abort()

  t.equal(await most, 5)
  const left = await app.portcullis.store.list('ada')
  t.equal(left.length, 5)
  t.ok(left.every(({ sid }) => signedIn.some(other => other.sid === sid)))
})

t.test('a hundred thousand sessions of as many subjects end with one word, and nobody waits for it', async t => {
  const { gateway: { app, url }, healthy } = await startFaultyRedis(t)
  const { store, blocklist } = app.portcullis
  const sids: string[] = []
  for (let at = 0; at < 100_000; at += 1000) {
    const opened = await Promise.all(Array.from({ length: 1000 }, async (_, index) => await store.open(session(`subject-${at + index}`))))
    sids.push(...opened.map(({ record }) => record.sid))
  }
  const mine = await signInForTokens(url, 'ada')

  const [, ...meanwhile] = await Promise.all([blocklist.revoke({ all: true }), ...Array.from({ length: 20 }, async () => (await fetch(`${url}/open`)).status)])

  t.same([...new Set(meanwhile)], [200])
  for (let at = 0; at < sids.length; at += 1009) t.equal(await store.read(sids[at]!), null)
  t.equal((await fetch(`${url}/up`, { headers: bearer(mine.token) })).status, 401)
  await until(async () => (await fetch(`${healthy.url}/up`, { headers: bearer(mine.token) })).status === 401)
  const again = await signInForTokens(url, 'ada')
  t.equal((await fetch(`${url}/up`, { headers: bearer(again.token) })).status, 200, 'who signs in afterwards is in')
})
