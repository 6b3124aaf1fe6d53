import t, { type Test } from 'tap'
import { post, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * The cookie is in the attacker's hands: every byte of it can be changed, cut off, repeated or encoded otherwise, in the hope to
 * become somebody else, to live longer, to be let through by an error, or to end the owner's session by making it look stolen.
 *
 * Every single byte is changed in every single bit, as far as a header can carry the result. Nothing but a plain refusal comes of it,
 * and the cookie as it was issued stays good.
 */

/** What a header can carry and a cookie's value can hold. */
const canBeSent = (code: number) => code > 0x20 && code !== 0x3b && code !== 0x7f

/** The value with each bit of each character turned, one at a time, and where. */
function tampered (value: string): Array<{ at: number, changed: string }> {
  return [...value].flatMap((character, at) => Array.from({ length: 8 }, (_, bit) => character.charCodeAt(0) ^ (1 << bit))
    .filter(canBeSent)
    .map(code => ({ at, changed: `${value.slice(0, at)}${String.fromCharCode(code)}${value.slice(at + 1)}` })))
}

/** Other spellings, parts and multiples. */
const respelt = (value: string) => [
  '', value.slice(1), value.slice(0, -1), `${value}A`, `A${value}`, `${value}=`, `${value}==`, `"${value}"`, `${value}.`, `${value},${value}`, value.replaceAll(/[-_]/g, character => character === '-' ? '+' : '/'), value.toUpperCase(), value.toLowerCase(),
  encodeURIComponent(value).replaceAll('.', '%2E'), `${value}%00`, `${value}\u00a0`, [...value].reverse().join(''), value.split('.').reverse().join('.'), Buffer.from(value).toString('base64url'), `s:${value}`, `j:${JSON.stringify({ sid: value })}`
].filter(other => other !== value)

/** As many at once as a browser would; one after the other each would wait for its turn to read the store. */
async function each<Item> (items: Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += 40) await Promise.all(items.slice(from, from + 40).map(work))
}

/** Status, code, and every cookie that comes along. */
async function outcomeOf (answer: Response): Promise<string> {
  const { code } = await answer.json() as { code: string }
  return [answer.status, code, ...answer.headers.getSetCookie()].join(' ')
}

/** There are thousands of them: only what is wrong is told. */
function assertRefused (t: Test, outcome: string, expected: readonly string[], changed: string): void {
  if (!expected.includes(outcome)) t.fail(`${encodeURIComponent(changed)}: ${outcome}`)
}

t.test('no changed bit of a session cookie is overlooked, and none costs the owner the session', async t => {
  const { url } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  await signIn(url, 'bob')
  const [name = '', value = ''] = cookie.split('=')
  const changes = [...tampered(value).map(({ changed }) => changed), ...respelt(value)]

  const mine = async () => await (await fetch(`${url}/auth/session`, { headers: { cookie } })).json()
  // Before the gateway has seen the right one, and while it remembers it.
  for (let round = 0; round < 2; round++) {
    await each(changes, async changed => {
      const answer = await fetch(`${url}/auth/session`, { headers: { cookie: `${name}=${changed}` } })
      assertRefused(t, await outcomeOf(answer), ['401 PTC_ERR_SESSION_INVALID'], changed)
    })
    t.match(await mine(), { session: { sid, subject: 'ada' } })
  }

  t.ok(changes.length > 400)
})

t.test('no changed bit of a refresh token is overlooked, and none makes it look stolen', async t => {
  const { url, store } = await startGateway(t)
  const { cookie, sid } = await signInForTokens(url)
  const [name = '', value = ''] = cookie.split('=')
  // Four bytes name the secret that it is made with: of one that is not known here nobody is sent away.
  const isInKeyId = (at: number) => at < 6
  const [refused, elsewhere] = ['401 PTC_ERR_REFRESH_REFUSED', '503 PTC_ERR_STORE_UNAVAILABLE'] as const

  await each(tampered(value), async ({ at, changed }) => {
    const answer = await post(`${url}/auth/refresh`, undefined, { cookie: `${name}=${changed}` })
    assertRefused(t, await outcomeOf(answer), isInKeyId(at) ? [refused, elsewhere] : [refused], changed)
  })
  await each(respelt(value), async changed => {
    assertRefused(t, await outcomeOf(await post(`${url}/auth/refresh`, undefined, { cookie: `${name}=${changed}` })), [refused, elsewhere], changed)
  })

  t.same((await takeSnapshot(store)).revocations, [])
  const refreshed = await post(`${url}/auth/refresh`, undefined, { cookie })
  t.match(await refreshed.json(), { session: { sid, subject: 'ada' } })
})

t.test('the generation of a refresh token cannot be counted up', async t => {
  const { url, store } = await startGateway(t)
  const { cookie } = await signInForTokens(url)
  const [name = '', value = ''] = cookie.split('=')
  const bytes = Buffer.from(value, 'base64url')
  for (const generation of [0, 2, 3, 4, 5, 0xffffffff]) {
    const forged = Buffer.from(bytes)
    forged.writeUInt32BE(generation, 20)
    await assertProblem(t, await post(`${url}/auth/refresh`, undefined, { cookie: `${name}=${forged.toString('base64url')}` }), 401, 'PTC_ERR_REFRESH_REFUSED', String(generation))
  }
  t.same((await takeSnapshot(store)).revocations, [])
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie })).status, 200)
})
