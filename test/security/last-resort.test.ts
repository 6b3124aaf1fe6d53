import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Store } from '../../stores/store.ts'
import { password, post, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: one request that ends the process. Whoever finds a place where something unexpected is thrown, or a promise is
 * rejected that nobody waits for, sends it again whenever the process is back, and nobody is served any more. So whatever is thrown,
 * wherever: the one who caused it is told that something went wrong, no more, and everybody else goes on.
 */

/** What libraries, drivers and authors throw. */
const thrown: unknown[] = [new Error('zebra'), Object.assign(new Error('zebra'), { statusCode: 200 }), Object.assign(new Error('zebra'), { code: 'ERR_ZEBRA', statusCode: 599, headers: { zebra: 'zebra' } }), 'zebra', null, undefined, 0, { toString () { throw new Error('zebra') } }]

/** A store whose next call of the method ends as the test says. */
function breakable (): { wrapStore: (store: Store) => Store, breakNext: (method: string, how: () => unknown) => void } {
  const broken = new Map<string, () => unknown>()
  const wrapStore = (store: Store): Store => new Proxy(store, {
    get (target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        const how = broken.get(String(name))
        broken.delete(String(name))
        return how === undefined ? (value as (...given: unknown[]) => unknown).apply(target, given) : how()
      }
    }
  })
  return { wrapStore, breakNext: (method, how) => { broken.set(method, how) } }
}

/** Every promise that is rejected with nobody waiting, while the test runs. */
function leftBehind (t: Test): unknown[] {
  const left: unknown[] = []
  const note = (reason: unknown): void => { left.push(reason) }
  process.on('unhandledRejection', note)
  t.teardown(() => { process.off('unhandledRejection', note) })
  return left
}

t.test('whatever the store throws is the answer to one request alone', async t => {
  const left = leftBehind(t)
  const { wrapStore, breakNext } = breakable()
  const { url } = await startGateway(t, { session: { maxPerSubject: 1000 } }, { wrapStore })
  const good = await signIn(url)

  for (const reason of thrown) {
    for (const [method, send] of [
      ['open', async () => await post(`${url}/auth/login`, { username: 'ada', password })],
      ['read', async () => await fetch(`${url}/auth/session`, { headers: { cookie: good.cookie } })],
      ['list', async () => await fetch(`${url}/auth/sessions`, { headers: { cookie: good.cookie } })],
      ['rotate', async () => await post(`${url}/auth/refresh`, undefined, { cookie: (await signInForTokens(url)).cookie })],
      ['close', async () => await post(`${url}/auth/logout`, undefined, { cookie: (await signIn(url)).cookie })]
    ] as const) {
      for (const how of [async () => await Promise.reject(reason), () => { throw reason }]) {
        breakNext(method, how)
        const response = await send()
        t.same(response.headers.getSetCookie(), [], method)
        t.notMatch(await assertProblem(t, response, 500, 'PTC_ERR_INTERNAL', method), 'zebra')
      }
      t.equal((await send()).ok, true, `${method}, the next time`)
    }
  }
  t.same(left, [])
})

t.test('no service hears of a request whose credential could not be judged, whatever was thrown', async t => {
  const up = await startUpstream(t)
  const { wrapStore, breakNext } = breakable()
  const upstream = { target: up.url, audience: 'up', revocation: { consistency: 'strict' } } as const
  const { url } = await startGateway(t, { upstreams: [{ ...upstream, prefix: '/up' }, { ...upstream, prefix: '/counted', rateLimit: { max: 1000, window: '1m' } }] }, { wrapStore })
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)

  for (const [method, headers] of [['read', { cookie }], ['isGood', { authorization: `Bearer ${token}` }]] as const) {
    for (const path of ['/up', '/counted']) {
      for (const reason of [...thrown, false, '', Number.NaN]) {
        breakNext(method, async () => await Promise.reject(reason))
        await assertProblem(t, await fetch(`${url}${path}`, { headers }), 500, 'PTC_ERR_INTERNAL', `${method} ${path}`)
      }
      t.same(up.requests.splice(0), [])
      t.equal((await fetch(`${url}${path}`, { headers })).status, 200)
      t.equal(up.requests.splice(0).length, 1)
    }
  }
})

t.test('whatever an identity function throws or answers is the answer to one sign-in alone', async t => {
  const left = leftBehind(t)
  let answer: () => unknown = () => null
  const { url } = await startGateway(t, { identity: (async () => await answer()) as () => Promise<null> })

  for (const how of [...thrown.map(reason => () => { throw reason }), () => undefined, () => new Error('zebra'), () => ({ error: 'zebra' }), () => true, () => 1, () => [], () => ({ subject: { zebra: 1 } }), () => ({ then () { throw new Error('zebra') } })]) {
    answer = how
    const response = await post(`${url}/auth/login`, { username: 'ada', password })
    t.same(response.headers.getSetCookie(), [], 'an error is no session')
    t.notMatch(await assertProblem(t, response, 500, 'PTC_ERR_INTERNAL'), 'zebra')
  }
  answer = () => 'ada'
  t.ok((await post(`${url}/auth/login`, { username: 'ada', password })).ok)
  t.same(left, [])
})

/** A gateway process whose identity function does to it what the user name says. */
async function startFragile (t: Test) {
  const waiting: Array<() => void> = []
  const slow = await startUpstream(t, (request, response) => {
    if (request.url === '/up/slow') waiting.push(() => { response.end('finished') })
    else response.end('ok')
  })
  const { folder } = await writeConfig(t)
  const config = join(folder, 'portcullis.ts')
  await writeFile(config, `interface Credentials { username: string }
export default {
  origin: 'https://app.example.com', listen: { host: '127.0.0.1', port: 0 }, store: { type: 'sqlite', path: './portcullis.db' }, log: { level: 'error' }, shutdown: { timeout: '5s' },
  rateLimit: { signIn: { max: 1000 } }, upstreams: [{ prefix: '/up', target: '${slow.url}', access: 'public' }],
  identity: async ({ username }: Credentials): Promise<string | null> => {
    if (username === 'rejects') { void Promise.reject(new Error('left behind')); void Promise.reject('a text'); void Promise.reject() }
    if (username === 'throws') setImmediate(() => { throw new Error('out of nowhere') })
    return username
  }
}
`)
  return { ...await startPortcullis(t, config), waiting }
}

t.test('promises that are rejected with nobody waiting end no process, and are logged', async t => {
  const gateway = await startFragile(t)

  for (let time = 0; time < 3; time++) t.equal((await post(`${gateway.url}/auth/login`, { username: 'rejects', password })).status, 200)

  await untilTrue(async () => gateway.output.stdout.split('\n').filter(line => line.includes('left behind')).length === 3, 5)
  t.equal((await fetch(`${gateway.url}/up`)).status, 200)
  const { code, stdout, stderr } = await gateway.end()
  t.equal(code, 0)
  t.equal(stderr, '')
  const lines = stdout.trimEnd().split('\n').slice(1).map(line => JSON.parse(line) as { level: number })
  t.equal(lines.length, 9)
  for (const line of lines) t.equal(line.level, 50)
})

t.test('an exception that nobody catches lets those under way finish, and is exit 1', async t => {
  const gateway = await startFragile(t)
  const answer = fetch(`${gateway.url}/up/slow`).then(async response => await response.text(), () => 'cut')
  await untilTrue(async () => gateway.waiting.length === 1, 5)

  await post(`${gateway.url}/auth/login`, { username: 'throws', password }).catch(() => {})
  await untilTrue(async () => await fetch(`${gateway.url}/up`).then(() => false, () => true), 5)
  gateway.waiting[0]?.()

  const { code, stdout } = await gateway.ended
  t.equal(code, 1)
  t.match(stdout, /"level":60.*out of nowhere/)
  t.equal(await answer, 'finished')
})
