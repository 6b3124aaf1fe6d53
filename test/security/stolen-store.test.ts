import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { createRedisStore } from '../../stores/redis.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { secret } from '../helpers/build-app.ts'
import { post, setCookies, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { connectRedis, startRedis } from '../helpers/redis-server.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * A backup is left on a share, a replica is opened to a colleague, a snapshot of a disk is sold. Whoever reads the store must not
 * be signed in by it: neither may a cookie or a token stand in it, nor may anything that does stand in it be good as one.
 *
 * The secret of the configuration is not in the store; with SQLite its file lies beside it. Who has both can make refresh tokens.
 */

const users = 30

interface Stolen { store: Store, dump: () => Promise<string> }

const kinds: Array<[name: string, open: (t: Test) => Promise<Stolen>]> = [
  ['the SQLite file', async t => {
    const folder = t.testdir({})
    const store = await createSqliteStore({ path: join(folder, 'portcullis.db') })
    t.teardown(() => store.end())
    const dump = async () => (await Promise.all((await readdir(folder)).map(async file => (await readFile(join(folder, file))).toString('latin1')))).join('\n')
    return { store, dump }
  }],
  ['Redis', async t => {
    const server = await startRedis(t)
    const redis = connectRedis(t, server)
    const store = await createRedisStore({ redis, timeoutMs: 5000 })
    t.teardown(() => store.end())
    return { store, dump: async () => await dumpRedis(redis) }
  }]
]

/** Every key with its value. */
async function dumpRedis (redis: Redis): Promise<string> {
  const lines: string[] = []
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key)
    const value = type === 'hash'
      ? await redis.hgetall(key)
      : type === 'stream' ? await redis.xrange(key, '-', '+') : type === 'zset' ? await redis.zrange(key, '0', '-1', 'WITHSCORES') : type === 'set' ? await redis.smembers(key) : await redis.get(key)
    lines.push(`${key} ${JSON.stringify(value)}`)
  }
  return lines.join('\n')
}

for (const [name, open] of kinds) {
  t.test(`a copy of ${name} has no cookie and no token in it, and nothing that is good as one`, async t => {
    const { store, dump } = await open(t)
    const { url, orders } = await startGateway(t, { secret }, { wrapStore: () => store })
    const live: Array<[what: string, value: string]> = [['the secret', secret]]
    const sids: string[] = []
    for (let i = 0; i < users; i++) {
      const [session, tokens] = [await signIn(url, `user${i}`), await signInForTokens(url, `user${i}`)]
      const refreshed = await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })
      const { access_token: next } = await refreshed.json() as { access_token: string }
      const value = session.cookie.split('=')[1]!
      sids.push(session.sid, tokens.sid)
      live.push(['a session cookie', value], ['its secret', value.split('.')[1]!], ['a refresh token', tokens.cookie.split('=')[1]!], ['the next one', setCookies(refreshed)['__Secure-portcullis-refresh']!], ['an access token', tokens.token], ['its signature', tokens.token.split('.')[2]!], ['the next one', next])
      await fetch(`${url}/orders`, { headers: { cookie: session.cookie } })
    }
    for (const { headers } of orders.requests) live.push(['a minted token', headers.authorization!.slice('Bearer '.length)])
    t.equal(orders.requests.length, users)

    const copy = await dump()

    t.ok(sids.every(sid => copy.includes(sid)), 'the copy has every session')
    for (const [what, value] of live) if (copy.includes(value) || copy.includes(Buffer.from(value, 'base64url').toString('latin1'))) t.fail(`${what} is in the copy`)
    t.notMatch(copy, /eyJ[\w-]+\.eyJ/, 'no JWT')
    t.notMatch(copy, /"d":|PRIVATE KEY/, 'no private key')

    const words = [...new Set(copy.match(/[A-Za-z0-9_-]{16,}/g) ?? [])]
    // With the SQLite file some run into their neighbours, so a piece of the right length is tried as well.
    const pieces = [...new Set(words.flatMap(word => [word, word.slice(-43), word.slice(0, 43), word.slice(22, 65)]))]
    t.ok(pieces.length > 2 * users)
    let refused = 0
    const attempt = async (path: string, method: string, headers: Record<string, string>) => {
      const { status } = await fetch(`${url}${path}`, { method, headers })
      if (status === 401 || status === 400 || status === 503) refused++
      else t.fail(`${method} ${path} ${JSON.stringify(headers)}: ${status}`)
    }
    const attempts = pieces.flatMap(piece => [
      () => attempt('/auth/session', 'GET', { cookie: `__Host-Http-portcullis=${piece}` }),
      () => attempt('/auth/session', 'GET', { cookie: `__Host-Http-portcullis=${sids[0]}.${piece}` }),
      () => attempt('/auth/session', 'GET', { authorization: `Bearer ${piece}` }),
      () => attempt('/auth/refresh', 'POST', { cookie: `__Secure-portcullis-refresh=${piece}` })
    ])
    const hashes = await Promise.all(sids.map(async sid => [sid, (await store.read(sid))?.secretHash] as const))
    for (const [sid, hash] of hashes) if (typeof hash === 'string') attempts.push(() => attempt('/auth/session', 'GET', { cookie: `__Host-Http-portcullis=${sid}.${hash}` }))
    for (let from = 0; from < attempts.length; from += 50) await Promise.all(attempts.slice(from, from + 50).map(async work => { await work() }))
    t.equal(refused, attempts.length)
    t.ok(copy.includes(hashes.find(([, hash]) => typeof hash === 'string')![1]!), 'what was tried is what is in the copy')
    t.same((await takeSnapshot(store)).revocations, [], 'and none of it ended a session')
  })
}
