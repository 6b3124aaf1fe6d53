import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { recordEvents, until } from '../helpers/build-app.ts'
import type { FaultProxy } from '../helpers/fault-proxy.ts'
import { signInForTokens } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { refresh, type Refreshed } from '../helpers/refresh.ts'
import { startFaultyRedis } from './redis-gateways.ts'

/*
 * Exactly one reply of Redis is lost, and its connection with it: the first, the second, … of all that a refresh waits for, those of
 * connecting again among them. The command was executed, so a client library that sends it again, or a client that does, presents a
 * refresh token twice. One lost packet must never end an honest user's session.
 */

const replies = 8

/** As a client does: while it is told to come again it does. */
async function retry (url: string, cookie: string, body?: object): Promise<Refreshed> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const answer = await refresh(url, cookie, body)
    if (answer.status !== 503) return answer
  }
  throw new Error('the gateway does not recover')
}

/** What the start has put into the log was told: nothing but a refresh asks for replies any more. */
async function quiet (proxy: FaultProxy): Promise<void> {
  for (let before = -1; before !== proxy.replies;) {
    before = proxy.replies
    await sleep(300)
  }
}

for (const [what, asked, body] of [['', 1, undefined], [' for an audience', 2, { audience: ['up'] }]] as const) {
  t.test(`whichever reply a refresh${what} loses, the client is told to come again and gets the same successor anywhere`, async t => {
    // Without heartbeats between, the replies are those of the refresh.
    const { proxy, gateway, healthy } = await startFaultyRedis(t, { more: { revocation: { maxStaleness: '60s' } } })
    await quiet(proxy)
    const events = recordEvents(t)
    let lost = 0
    for (let k = 1; k <= replies; k++) {
      for (const next of [gateway, healthy]) {
        const { cookie, sid } = await signInForTokens(healthy.url)
        await until(async () => await gateway.app.portcullis.store.read(sid).then(() => true, () => false))

        proxy.dropReply(k)
        const first = await refresh(gateway.url, cookie, body)

        t.ok([200, 503].includes(first.status), `reply ${k}: ${first.status}`)
        t.ok(first.status === 200 || Object.keys(first.setCookies).length === 0)
        if (first.status === 503) lost++
        const second = await retry(next.url, cookie, body)
        t.match(second, { status: 200, answer: { session: { sid } } }, `reply ${k}`)
        t.equal(claimsOf(second.token)['gen'], 2)
        if (first.cookie !== null) t.equal(second.cookie, first.cookie)
        t.equal((await fetch(`${healthy.url}/up`, { headers: bearer(second.token) })).status, 200)
        proxy.dropReply(Infinity)
      }
    }
    t.ok(lost >= 2 * asked, 'every reply that a refresh waits for was lost')
    t.notOk(events.some(({ event }) => event === 'refresh.reused' || event === 'session.closed'))
  })
}
