import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { post, setCookies, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { partsOf } from '../helpers/credentials.ts'
import { runPortcullis, startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { startVerifyingUpstream, type VerifyingUpstream } from '../helpers/verifying-upstream.ts'

/*
 * Keys are rotated while everybody goes on working: no request of a cookie or a token, no refresh and no service that verifies with
 * the published keys may notice. When a key is revoked, what it has signed is worthless in every process, remembered or not, and
 * nothing else is.
 */

interface Setup { config: string, urls: [string, string], up: VerifyingUpstream }

async function start (t: Test, store: object): Promise<Setup> {
  const up = await startVerifyingUpstream(t, 'up')
  const { config } = await writeConfig(t, { store, secret: randomBytes(32).toString('base64url'), keys: { publishAhead: '5s' }, upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }] })
  const gateways = await Promise.all([startPortcullis(t, config), startPortcullis(t, config)])
  const urls: Setup['urls'] = [gateways[0].url, gateways[1].url]
  await up.trust(urls)
  return { config, urls, up }
}

const statusOf = async (url: string, headers: Record<string, string>) => (await fetch(`${url}/up`, { headers })).status
const kidOf = (token: string) => String(partsOf(token).header['kid'])

/** Clients that go on until they are told to stop, at both gateways in turn. */
class Load {
  /** What was answered anything but 200. */
  readonly failures: string[] = []
  /** Access tokens that a gateway has issued, with the place of that gateway. */
  readonly issued: Array<{ token: string, at: number }> = []
  requests = 0
  #isOver = false
  readonly #clients: Array<Promise<void>> = []
  readonly #urls: Setup['urls']

  constructor (urls: Setup['urls']) {
    this.#urls = urls
    for (const at of [0, 1]) this.#clients.push(this.#browse(at), this.#callAndRefresh(at), this.#callAndRefresh(at))
  }

  async stop (): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#clients)
  }

  async #browse (at: number): Promise<void> {
    const { cookie } = await signIn(this.#urls[at]!)
    for (let round = at; !this.#isOver; round++) await this.#get(round, { cookie })
  }

  /** Each token is used at both gateways, and so is the first one for as long as the load lasts. */
  async #callAndRefresh (at: number): Promise<void> {
    const first = await signInForTokens(this.#urls[at]!)
    let { cookie, token } = first
    this.issued.push({ token, at })
    for (let round = at; !this.#isOver; round++) {
      await this.#get(round, { authorization: `Bearer ${token}` })
      await this.#get(round + 1, { authorization: `Bearer ${token}` })
      await this.#get(round, { authorization: `Bearer ${first.token}` })
      const refreshed = await this.#refresh(round % 2, cookie)
      if (refreshed !== null) ({ cookie, token } = refreshed)
    }
  }

  async #get (round: number, headers: Record<string, string>): Promise<void> {
    this.requests++
    const status = await statusOf(this.#urls[round % 2]!, headers).catch(String)
    if (status !== 200) this.failures.push(`GET ${status}`)
    // A pace that two cores bear beside everything else.
    await wait(10)
  }

  async #refresh (at: number, cookie: string): Promise<{ cookie: string, token: string } | null> {
    this.requests++
    const response = await post(`${this.#urls[at]}/auth/refresh`, undefined, { cookie }).catch(String)
    if (typeof response === 'string' || response.status !== 200) {
      this.failures.push(`refresh ${typeof response === 'string' ? response : response.status}`)
      return null
    }
    const { access_token: token } = await response.json() as { access_token: string }
    this.issued.push({ token, at })
    const next = setCookies(response)['__Secure-portcullis-refresh']
    // Refreshes in quick succession do not all get a new one.
    return { token, cookie: next === undefined ? cookie : `__Secure-portcullis-refresh=${next}` }
  }
}

/** Rotates while the load lasts; resolves to the old and the new key once both gateways have signed with the new one for a while. */
async function rotate (t: Test, { config, up }: Setup, load: Load): Promise<[old: string, next: string]> {
  await untilTrue(async () => up.verified.size === 1 && load.issued.length > 10, 20)
  const [old = ''] = up.verified.keys()
  const { code, stdout } = await runPortcullis(t, ['keys', 'rotate', '--config', config])
  t.equal(code, 0)
  const [next = ''] = stdout.split(' ')
  const isIssuedBy = (place: number) => load.issued.filter(({ token, at }) => at === place && kidOf(token) === next).length >= 10
  await untilTrue(async () => isIssuedBy(0) && isIssuedBy(1) && (up.verified.get(next)?.size ?? 0) >= 20, 20)
  return [old, next]
}

/** Signs in at each gateway, and has both remember what it got. */
async function remember ({ urls }: Setup): Promise<{ tokens: string[], cookies: string[], families: string[] }> {
  const [tokens, sessions] = [await Promise.all(urls.map(async url => await signInForTokens(url))), await Promise.all(urls.map(async url => await signIn(url)))]
  for (const url of urls) {
    for (const { token } of tokens) await statusOf(url, { authorization: `Bearer ${token}` })
    for (const { cookie } of sessions) await statusOf(url, { cookie })
  }
  return { tokens: tokens.map(({ token }) => token), cookies: sessions.map(({ cookie }) => cookie), families: tokens.map(({ cookie }) => cookie) }
}

async function walk (t: Test, setup: Setup): Promise<void> {
  const { config, urls, up } = setup
  const before = await remember(setup)
  const load = new Load(urls)
  const [old, next] = await rotate(t, setup, load).finally(async () => { await load.stop() })
  t.same(load.failures, [], 'no client noticed')
  t.same(up.refused, [], 'no service noticed')
  t.same([...up.verified.keys()].sort(), [old, next].sort())
  t.comment(`${load.requests} requests; tokens verified by the service: ${up.verified.get(old)?.size} of the old key, ${up.verified.get(next)?.size} of the new one`)
  const after = await remember(setup)
  t.same([...before.tokens.map(kidOf), ...after.tokens.map(kidOf)], [old, old, next, next])
  for (const url of urls) {
    for (const token of before.tokens) t.equal(await statusOf(url, { authorization: `Bearer ${token}` }), 200, 'the old key is as good as the new one')
  }

  t.equal((await runPortcullis(t, ['keys', 'revoke', old, '--config', config])).code, 0)
  for (const url of urls) {
    // One more request at most before the process has heard of it.
    const { inVain } = await untilTrue(async () => await statusOf(url, { authorization: `Bearer ${before.tokens[0]}` }) === 401, 50)
    t.ok(inVain <= 1, `refused after ${inVain} requests`)
  }
  up.verified.clear()
  for (const url of urls) {
    const published = await (await fetch(`${url}/.well-known/jwks.json`)).json() as { keys: Array<{ kid: string }> }
    t.same(published.keys.map(({ kid }) => kid), [next])
    const statuses = await Promise.all(load.issued.map(async ({ token }) => await statusOf(url, { authorization: `Bearer ${token}` })))
    t.same(statuses, load.issued.map(({ token }) => kidOf(token) === old ? 401 : 200), 'of all tokens those of the old key are refused')
    for (const token of before.tokens) t.equal(await statusOf(url, { authorization: `Bearer ${token}` }), 401, 'a remembered token of the old key')
    for (const token of after.tokens) t.equal(await statusOf(url, { authorization: `Bearer ${token}` }), 200, 'a token of the new key')
    for (const cookie of [...before.cookies, ...after.cookies]) t.equal(await statusOf(url, { cookie }), 200, 'sessions are no key\'s')
  }
  t.same([...up.verified.keys()], [next], 'what is forwarded was signed by the new key, also for whom a token of the old one was remembered')
  for (const [index, cookie] of before.families.entries()) {
    const refreshed = await post(`${urls[index]}/auth/refresh`, undefined, { cookie })
    t.equal(refreshed.status, 200, 'a refresh gets a token of the new key')
    t.equal(kidOf((await refreshed.json() as { access_token: string }).access_token), next)
  }
  t.same(up.refused, [])
}

for (const [name, open] of [
  ['one SQLite file', async (_t: Test) => ({ type: 'sqlite', path: './portcullis.db', timeout: '30s' })],
  ['one Redis', async (t: Test) => ({ type: 'redis', url: (await startRedis(t)).url, timeout: '30s' })]
] as const) {
  t.test(`a rotation under load at two processes on ${name} fails nothing, and a revocation ends the old key's tokens everywhere`, async t => {
    await walk(t, await start(t, await open(t)))
  })
}
