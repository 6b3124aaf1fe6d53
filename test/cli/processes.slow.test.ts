import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { post, setCookies, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { startPortcullis, untilTrue, writeConfig, type GatewayProcess } from '../helpers/portcullis.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * Two gateway processes are one gateway: what one of them opened is good at the other, and what one of them ended is refused at the
 * other on the next request but one at most.
 */

const rounds = 20
/** Every other round asks without a pause, to measure; the rest at the pace of somebody who clicks as fast as they can. */
const pauseMs = 50

async function startTwo (t: Test, store: object): Promise<[GatewayProcess, GatewayProcess]> {
  const target = await startUpstream(t)
  const { config } = await writeConfig(t, { store, secret: randomBytes(32).toString('base64url'), upstreams: [{ prefix: '/up', target: target.url, audience: 'up' }] })
  return await Promise.all([startPortcullis(t, config), startPortcullis(t, config)])
}

async function walk (t: Test, [{ url: here }, { url: there }]: [GatewayProcess, GatewayProcess]): Promise<void> {
  const status = async (url: string, headers: Record<string, string>) => (await fetch(`${url}/up`, { headers })).status
  const took: number[] = []
  for (let round = 0; round < rounds; round++) {
    const [session, tokens] = [await signIn(here), await signInForTokens(here)]
    const credentials: Array<{ cookie: string, headers: Record<string, string> }> = [
      { cookie: session.cookie, headers: { cookie: session.cookie } },
      { cookie: tokens.cookie, headers: { authorization: `Bearer ${tokens.token}` } }
    ]
    for (const { cookie, headers } of credentials) {
      if (await status(there, headers) !== 200) t.fail('what was opened here is good there')
      if (await status(there, headers) !== 200) t.fail('also when it is remembered')

      if ((await post(`${here}/auth/logout`, undefined, { cookie })).status !== 204) t.fail('signed out here')
      const isMeasured = round % 2 === 0
      const { ms, inVain } = await untilTrue(async () => await status(there, headers) === 401, isMeasured ? 0 : pauseMs)

      if (isMeasured) took.push(ms)
      else if (inVain > 1) t.fail(`refused there only after ${inVain} requests, ${ms.toFixed(1)} ms`)
      if (await status(here, headers) !== 401) t.fail('refused here at once')
    }
    if ((await post(`${there}/auth/refresh`, undefined, { cookie: tokens.cookie })).status !== 401) t.fail('and not refreshed')
  }
  took.sort((a, b) => a - b)
  t.equal(took.length, rounds)
  t.comment(`refused at the other process after: median ${took[rounds / 2]!.toFixed(2)} ms, most ${took.at(-1)!.toFixed(2)} ms, of ${took.length}`)
}

async function refreshInTurn (t: Test, [{ url: here }, { url: there }]: [GatewayProcess, GatewayProcess]): Promise<void> {
  let { cookie } = await signInForTokens(here)
  for (let round = 0; round < 6; round++) {
    const response = await post(`${round % 2 === 0 ? there : here}/auth/refresh`, undefined, { cookie })
    t.equal(response.status, 200)
    cookie = `__Secure-portcullis-refresh=${setCookies(response)['__Secure-portcullis-refresh'] ?? ''}`
  }
  const parallel = await Promise.all(Array.from({ length: 10 }, async (_, index) => await post(`${index % 2 === 0 ? here : there}/auth/refresh`, undefined, { cookie })))
  t.same(parallel.map(({ status }) => status), Array(10).fill(200))
  t.equal(new Set(parallel.map(response => setCookies(response)['__Secure-portcullis-refresh'])).size, 1, 'the family never forks')
}

for (const [name, open] of [
  ['one SQLite file', async (_t: Test) => ({ type: 'sqlite', path: './portcullis.db', timeout: '30s' })],
  ['one Redis', async (t: Test) => ({ type: 'redis', url: (await startRedis(t)).url, timeout: '30s' })]
] as const) {
  t.test(`two processes on ${name} are one gateway`, async t => {
    const gateways = await startTwo(t, await open(t))
    await walk(t, gateways)
    await refreshInTurn(t, gateways)
    for (const gateway of gateways) t.equal((await gateway.end()).code, 0)
  })
}
