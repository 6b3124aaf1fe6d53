import fc, { type Arbitrary } from 'fast-check'
import { createProbe, type Phase, type Probe } from './campaign.ts'
import { credentials } from './credentials.ts'
import { mutation, oddity, withoutLines } from './mutations.ts'
import type { People } from './people.ts'

/** Header names and values: identities that a client makes up, in every spelling; Connection headers that name ours; many of them. */

const told = ['X-Auth-Subject', 'X-Auth-Session', 'X-Auth-Scope', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Prefix', 'Forwarded', 'X-Real-IP', 'X-Request-Id', 'Authorization', 'Proxy-Authorization', 'Cookie']
const ordinary = ['Accept', 'Accept-Encoding', 'User-Agent', 'Referer', 'Origin', 'Sec-Fetch-Site', 'Range', 'If-None-Match', 'traceparent', 'Via', 'X-HTTP-Method-Override', 'X-Original-URL', 'X-Rewrite-URL', 'Content-Type', 'Content-Encoding', 'Sec-WebSocket-Key', 'Sec-WebSocket-Protocol', 'HTTP2-Settings', 'TE', 'Trailer', 'Keep-Alive', 'Proxy-Connection', 'Upgrade', 'Expect', 'Set-Cookie', 'Access-Control-Request-Method', 'Max-Forwards', 'constructor', '__proto__', 'toString']

type Respell = (name: string) => string

const respelling = fc.constantFrom<Respell[]>(name => name, name => name, name => name.toLowerCase(), name => name.toUpperCase(), name => name.replaceAll('-', '_'), name => name.replace('-', '_').toUpperCase(), name => `${name} `, name => ` ${name}`, name => `${name}\t`, name => `${name}\0`, name => `${name}:`, name => name.replace('-', '--'), name => `X-${name}`, name => name.replace('-', '\xad'), name => `${name}\xa0`)

const name = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...told), respelling).map(([given, respell]) => respell(given)) },
  { weight: 3, arbitrary: fc.constantFrom(...ordinary) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...told), mutation).map(([given, mutate]) => mutate(given)) },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 20 }).map(text => withoutLines(text).replace(/[^\x20-\x7e]/g, 'x')) }
)

const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('admin', 'root', '127.0.0.1', '10.0.0.1, 127.0.0.1', 'evil.example', 'for=127.0.0.1;host=evil', 'http', '00000000-0000-4000-8000-000000000000', '1', 'true', 'websocket', 'h2c', '100-continue', '999-what', 'trailers', 'cross-site', 'same-site', 'same-origin', 'none', 'null', 'https://app.example.com', 'https://evil.example', 'gzip', 'bytes=0-', '__Host-Http-portcullis=a', 'theme=dark', 'application/json', 'timeout=5', 'Basic YTpi', 'Bearer a.b.c') },
  { weight: 1, arbitrary: oddity },
  { weight: 1, arbitrary: fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map(code => String.fromCharCode(code)), maxLength: 40 }) }
)

const connection = fc.tuple(fc.array(fc.constantFrom(...told, 'close', 'keep-alive', 'Upgrade', 'Host', 'Content-Length', 'Content-Type', 'X-Other', 'accept', 'Connection', '', ' ', '"authorization"', 'authorization;q=1', '\t'), { minLength: 1, maxLength: 8 }), fc.constantFrom(', ', ',', ' , ', ',,', ' '))
  .map(([names, between]) => ['Connection', names.join(between)] as const)

const line = fc.oneof({ weight: 5, arbitrary: fc.tuple(name, value) }, { weight: 1, arbitrary: connection })

const crowd = fc.tuple(fc.nat(1000), fc.constantFrom('x', 'X-Auth-Subject', 'x_auth_subject', 'Accept', 'Via'), value).map(([count, given, text]) => Array.from({ length: count }, (_, index) => [given === 'x' ? `x-${index}` : given, text] as const))

const lines = fc.oneof({ weight: 30, arbitrary: fc.array(line, { minLength: 1, maxLength: 8 }) }, { weight: 1, arbitrary: crowd })

function arbitrary (people: People): Arbitrary<Probe> {
  return fc.record({ lines, good: credentials(people), first: fc.boolean(), method: fc.constantFrom('GET', 'GET', 'HEAD', 'OPTIONS', 'POST'), target: fc.constantFrom('/orders/1', '/named/1', '/pub/1', '/carried/1', '/auth/session', '/auth/nothing', '/nothing') })
    .map(({ lines, good, first, method, target }) => ({ method, target, headers: first ? [...good, ...lines] : [...lines, ...good], body: method === 'POST' ? 'a=b' : null }))
}

export const headers: Phase<Probe> = { name: 'headers', share: 0.16, parallel: 16, arbitrary, ...createProbe() }
