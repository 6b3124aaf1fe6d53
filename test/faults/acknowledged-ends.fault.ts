import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { startFleet } from './gateways.ts'

/*
 * Somebody is told that they are signed out, and another gateway, which has just served them from memory, goes on. A strict upstream
 * asks the store every time: there the very next request is refused, at whichever gateway. Elsewhere it may be a moment, and how long
 * is measured.
 */

const rounds = 150

t.test('after an acknowledged end no request that begins is served by a strict upstream, at any gateway', async t => {
  const redis = await startRedis(t)
  const { urls, echo } = await startFleet(t, { type: 'redis', url: redis.url, timeout: '20s' }, {
    more: { revocation: { consistency: 'strict' } }
  })
  const [here, there] = urls() as [string, string]
  let stale = 0
  for (let round = 0; round < rounds; round++) {
    const [session, tokens] = [await signIn(here, 'client-0'), await signInForTokens(here, 'client-0')]
    const headers = [{ cookie: session.cookie }, bearer(tokens.token)]
    const everywhere = async () => await Promise.all([there, here].flatMap(url => headers.map(async headers => (await fetch(`${url}/up`, { headers })).status)))
    t.same(await everywhere(), [200, 200, 200, 200])
    // Requests that are under way when the end comes are nobody's business; those that begin after it are.
    const busy = Array.from({ length: 4 }, async (_, index) => await fetch(`${there}/up`, { headers: headers[index % 2]! }))

    const [first, second] = await Promise.all([session, tokens].map(async ({ cookie }) => await post(`${here}/auth/logout`, undefined, { cookie })))
    t.equal(first?.status, 204)
    t.equal(second?.status, 204)
    stale += (await everywhere()).filter(status => status !== 401).length
    await Promise.all(busy)
  }
  t.equal(stale, 0)
  t.equal(echo.unidentified, 0)
})

t.test('elsewhere the other gateway knows within a moment, and never forgets', async t => {
  const redis = await startRedis(t)
  const { urls } = await startFleet(t, { type: 'redis', url: redis.url, timeout: '20s' })
  const [here, there] = urls() as [string, string]
  const tookMs: number[] = []
  for (let round = 0; round < rounds; round++) {
    const { cookie, token } = await signInForTokens(here, 'client-1')
    if ((await fetch(`${there}/up`, { headers: bearer(token) })).status !== 200) t.fail('who is signed in is in')

    if ((await post(`${here}/auth/logout`, undefined, { cookie })).status !== 204) t.fail('signed out')
    const endedAtMs = performance.now()
    let calledAtMs = endedAtMs
    while ((await fetch(`${there}/up`, { headers: bearer(token) })).status !== 401) calledAtMs = performance.now()

    tookMs.push(calledAtMs - endedAtMs)
    for (let again = 0; again < 5; again++) if ((await fetch(`${there}/up`, { headers: bearer(token) })).status !== 401) t.fail('refused once, and served again')
  }
  tookMs.sort((a, b) => a - b)
  t.comment(`the last request that was served began ${tookMs[rounds / 2]!.toFixed(1)} ms after the answer (median), ${tookMs.at(-1)!.toFixed(1)} ms at most`)
  t.ok(tookMs.at(-1)! < 2000, 'within maxStaleness')
})
