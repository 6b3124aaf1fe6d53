import { createHmac, generateKeyPairSync, randomBytes, sign, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'
import { argsOfParent, cpuTime, serveParent } from './child.ts'

/**
 * The minimum cost of a rotation in Node: one HMAC to check and one to make, one script at Redis that compares and sets, one ES256
 * signature. No framework, no limits, no overlap, no detection of theft, no error handling.
 */
const redis = new Redis(argsOfParent<{ redis: string }>().redis)
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = randomBytes(32)
const name = '__Secure-portcullis-refresh'

redis.defineCommand('rotate', {
  numberOfKeys: 1,
  lua: "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET', KEYS[1], ARGV[2], 'EX', 86400) return 1"
})
const { rotate } = redis as unknown as { rotate: (key: string, from: number, to: number) => Promise<number> }

function mac (text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function cookieOf (sid: string, generation: number): string {
  return `${name}=${sid}.${generation}.${mac(`${sid}.${generation}`).toString('base64url')}`
}

function tokenOf (sid: string, generation: number): string {
  const iat = Math.floor(Date.now() / 1000)
  const claims = { iss: 'https://app.example.com', sub: sid, aud: ['orders', 'https://app.example.com'], exp: iat + 900, iat, jti: randomBytes(16).toString('base64url'), sid, scope: 'orders:read orders:write', gen: generation }
  const input = `${Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"floor"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`
  return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

/** Resolves to the next generation; null when the token is refused. */
async function refresh (cookie = ''): Promise<{ sid: string, generation: number } | null> {
  const [sid = '', generation = '', given = ''] = cookie.slice(name.length + 1).split('.')
  const wanted = mac(`${sid}.${generation}`)
  const presented = Buffer.from(given, 'base64url')
  if (presented.length !== wanted.length || !timingSafeEqual(presented, wanted)) return null
  return await rotate.call(redis, `floor:${sid}`, Number(generation), Number(generation) + 1) === 1 ? { sid, generation: Number(generation) + 1 } : null
}

const server = createServer((request, response) => {
  refresh(request.headers.cookie).then(next => {
    if (next === null) {
      response.writeHead(401).end()
      return
    }
    const body = JSON.stringify({ access_token: tokenOf(next.sid, next.generation), token_type: 'Bearer', expires_in: 900 })
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'set-cookie': `${cookieOf(next.sid, next.generation)}; Path=/auth; HttpOnly; Secure; SameSite=Strict` }).end(body)
  }, () => response.writeHead(503).end())
})

async function signIn ({ count }: { count: number }): Promise<Array<{ cookie: string }>> {
  const sids = Array.from({ length: count }, () => randomBytes(16).toString('base64url'))
  await redis.mset(sids.flatMap(sid => [`floor:${sid}`, '1']))
  return sids.map(sid => ({ cookie: cookieOf(sid, 1) }))
}

server.listen(0, '127.0.0.1', () => {
  serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { cpu: cpuTime, signIn })
})
