import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { refresh } from '../helpers/refresh.ts'
import { startRawUpstream, startUpstream } from '../helpers/upstream.ts'

/*
 * One service of several takes every request and answers none. Those who wait for it are told in time; whoever wants another service, or
 * the gateway itself, does not notice, however many wait.
 */

t.test('a service that hangs holds up nobody but those who ask it', async t => {
  const hanging = await startRawUpstream(t, () => {})
  const good = await startUpstream(t)
  const { url } = await startGateway(t, {
    upstreams: [
      { prefix: '/hanging', target: hanging.url, audience: 'orders', timeout: '5s' },
      { prefix: '/dead', target: 'http://127.0.0.1:1', audience: 'orders' },
      { prefix: '/good', target: good.url, audience: 'good' }
    ]
  })
  const { cookie, token } = await signInForTokens(url)
  let answered = 0
  const waiting = Array.from({ length: 500 }, async () => {
    const { status } = await fetch(`${url}/hanging`, { headers: bearer(token) })
    answered++
    return status
  })
  while (hanging.connections.length < 10) await new Promise(resolve => setTimeout(resolve, 10))

  for (let round = 0; round < 50; round++) {
    t.equal((await fetch(`${url}/good`, { headers: bearer(token) })).status, 200)
    t.equal((await fetch(`${url}/auth/session`, { headers: bearer(token) })).status, 200)
    t.equal((await fetch(`${url}/dead`, { headers: bearer(token) })).status, 502)
  }
  t.equal((await refresh(url, cookie)).status, 200)

  t.comment(`${answered} of 500 were told while others were served`)
  t.same([...new Set(await Promise.all(waiting))], [504])
})
