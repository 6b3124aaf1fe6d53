import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { until } from '../helpers/build-app.ts'
import { signIn } from '../helpers/build-gateway.ts'
import { checkHistory } from './check-history.ts'
import { History } from './history.ts'
import { startLoad } from './load.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * Redis is slow, and every answer comes at another speed. Up to the deadline requests are slow too; beyond it they are told to come
 * again, without piling up in front of a Redis that is slow enough already.
 */

for (const [delayMs, jitterMs] of [[50, 20], [200, 100], [1000, 500]] as const) {
  t.test(`at ${delayMs} ms and up to ${jitterMs} ms more nobody is signed out, and nothing piles up`, async t => {
    const { proxy, gateway, urls, echo } = await startFaultyRedis(t, { timeout: '250ms' })
    // One after another: with so short a deadline a crowd of sign-ins would be told to come again already.
    const crowd: Array<{ cookie: string }> = []
    for (let index = 0; index < 200; index++) crowd.push(await signIn(urls()[1]!, `crowd-${index}`))
    const history = new History()
    const load = startLoad({ history, gateways: urls, refreshEveryMs: 100 })
    await sleep(500)

    proxy.inject({ delayMs, jitterMs })
    await sleep(2000)
    // Each of them is a question to Redis, all at once: no gateway has seen them use their session.
    const statuses = await Promise.all(crowd.map(async ({ cookie }) => (await fetch(`${gateway.url}/strict`, { headers: { cookie } })).status))
    t.same(statuses.filter(status => status !== 200 && status !== 503), [])
    await sleep(2000)
    const { connections } = proxy
    proxy.inject()
    await load.stop()
    await until(() => gateway.app.portcullis.health.isReady())

    t.same(await load.sweep(), [])
    t.same(checkHistory(history.operations, { stalenessMs: 2000 }), [])
    t.ok(connections <= 6, 'no connection was made for a request')
    t.equal(echo.unidentified, 0)
    const unknown = history.operations.filter(({ outcome }) => outcome === 'unknown')
    t.comment(`${unknown.length} of ${history.operations.length} operations were to be repeated, ${statuses.filter(status => status === 503).length} of 200 at once`)
    for (const { cookie } of crowd) await until(async () => (await fetch(`${gateway.url}/strict`, { headers: { cookie } })).status === 200)
  })
}
