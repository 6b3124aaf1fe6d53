import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { until } from '../helpers/build-app.ts'
import { signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { advanceFamily, refresh } from '../helpers/refresh.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { auditOf, startFleet } from './gateways.ts'

/*
 * One refresh token, presented by a crowd at once at two gateway processes; and every refresh token that a long session ever had,
 * presented by a thief.
 */

for (const [name, store] of [['Redis', 'redis'], ['SQLite', 'sqlite']] as const) {
  t.test(`four hundred and a thousand refreshes of one token at two processes on ${name} have one successor`, async t => {
    const fleet = await startFleet(t, store === 'redis' ? { type: 'redis', url: (await startRedis(t)).url, timeout: '30s' } : { type: 'sqlite', path: './portcullis.db', timeout: '30s' })
    const urls = fleet.urls()
    for (const crowd of [400, 1000]) {
      const { cookie, sid } = await signInForTokens(urls[0]!, 'client-0')

      const answers = await Promise.all(Array.from({ length: crowd }, async (_, index) => await refresh(urls[index % 2]!, cookie)))

      t.same([...new Set(answers.map(({ status }) => status))], [200])
      const successors = [...new Set(answers.flatMap(({ cookie }) => cookie ?? []))]
      t.equal(successors.length, 1)
      t.same([...new Set(answers.map(({ token }) => claimsOf(token)['gen']))], [2])
      await until(() => fleet.processes.flatMap(auditOf).filter(({ event, sid: of }) => event === 'refresh.repeated' && of === sid).length === crowd - 1)
      t.equal(fleet.processes.flatMap(auditOf).filter(({ event, sid: of }) => event === 'refresh.rotated' && of === sid).length, 1)
      for (const url of urls) t.equal((await refresh(url, successors[0]!)).status, 200, 'the one line goes on')
    }
  })
}

t.test('each of the refresh tokens of fifty generations is theft, and ends every access token of them all', async t => {
  const { url, store, advance } = await startGateway(t, { session: { maxPerSubject: 1000 } })
  for (let stolen = 0; stolen < 50; stolen++) {
    const first = await signInForTokens(url, `user-${stolen}`)
    const line = [{ cookie: first.cookie, token: first.token }]
    while (line.length < 51) {
      advance(1500)
      line.push(await advanceFamily(url, line.at(-1)!.cookie))
    }
    t.equal((await fetch(`${url}/orders`, { headers: bearer(line.at(-1)!.token) })).status, 200)
    await until(async () => (await store.read(first.sid))?.family?.received === true)
    advance(11_000)

    t.equal((await refresh(url, line[stolen]!.cookie)).status, 401, `generation ${stolen + 1}`)

    t.equal(await store.read(first.sid), null)
    t.equal((await refresh(url, line.at(-1)!.cookie)).status, 401)
    const statuses = await Promise.all(line.map(async ({ token }) => (await fetch(`${url}/orders`, { headers: bearer(token) })).status))
    t.same([...new Set(statuses)], [401])
  }
})
