import t from 'tap'
import { publishAheadMs } from '../lib/jwt/signing-key.ts'
import { signIn, signInForTokens, startGateway } from './helpers/build-gateway.ts'
import { partsOf } from './helpers/credentials.ts'

t.test('a rotation under load fails no request, and services that keep the public keys for a minute can verify every token', async t => {
  const { app, url, orders, advance } = await startGateway(t)
  const [{ cookie }, { token }] = [await signIn(url), await signInForTokens(url)]
  const fetchKids = async () => (await (await fetch(`${url}/.well-known/jwks.json`)).json() as { keys: Array<{ kid: string }> }).keys.map(({ kid }) => kid)
  const statuses = new Set<number>()
  const known: string[][] = []

  for (let round = 0; round < 20; round++) {
    if (round === 5) await app.portcullis.keys.rotate()
    if (round > 5) advance(publishAheadMs / 10)
    known.push(await fetchKids())
    const fresh = await signInForTokens(url, `user-${round}`)
    const answers = await Promise.all(Array.from({ length: 10 }, async (_, i) => await fetch(`${url}/orders`, { headers: i % 3 === 0 ? { cookie } : { authorization: `Bearer ${i % 3 === 1 ? token : fresh.token}` } })))
    for (const { status } of answers) statuses.add(status)
    // What was published six rounds ago is 54 seconds old.
    const cached = known.at(Math.max(0, round - 6)) ?? []
    for (const { headers } of orders.requests.splice(0)) {
      const { kid } = partsOf(headers.authorization).header
      t.ok(cached.includes(String(kid)), `round ${round}`)
    }
  }

  t.same([...statuses], [200])
  t.equal(new Set(known.flat()).size, 2)
})
