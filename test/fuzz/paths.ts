import fc, { type Arbitrary } from 'fast-check'
import { createProbe, type Phase, type Probe } from './campaign.ts'
import { credentials } from './credentials.ts'
import { long, mutation, withoutLines } from './mutations.ts'
import type { People } from './people.ts'
import { bytesOf } from './wire.ts'

/** Paths that two parsers read in two ways, with nothing, and with good credentials. */

const starts = ['/orders', '/named', '/pub', '/carried', '/auth', '/auth/session', '/auth/sessions', '/oauth', '/.well-known/jwks.json', '', '/', '//', '/Orders', '/ORDERS', '/pub/../orders', '/pub/..;/orders', '/%6frders', '/orders%2f', '/./orders', '//orders', '/pub//orders', '\\orders', '/pub/%2e%2e/orders', '/pub/%252e%252e/orders', '/pub\\..\\orders', 'http://app.example.com/orders', 'http://127.0.0.1:1/orders', 'HTTP://x', 'https://user@host/pub', '*', 'orders', '?', '#', 'file:///etc/passwd', 'app.example.com:443']
const segments = ['a', '1', '.', '..', '...', '%2e', '%2E%2e', '.%2e', '%2f', '%5c', '%5C..', '\\', '\\..', '', ';', ';a=b', '..;', '%3b', '%00', '\0', '%0d%0aX-Auth-Subject:%20admin', '%', '%z', '%zz', '%2', '%252e', '%25', '%u002e', '%c0%ae', '%c0%af', '%ff', '%ed%a0%80', '%e2%82%ac', bytesOf('é'), bytesOf('／'), bytesOf('．．'), bytesOf('😀'), '\xff', '~', '*', '(', '"', '<', '|', '^', '`', '{', ' ', '\t', '%20', '+', '@', ':', '&', '=', '$', '!', "'", ',', '[', '%7f', '\x7f', 'orders', 'auth', 'pub', 'constructor', '__proto__', ':sid', '/auth/session']
const queries = ['', '?', '?a=b', '?a=b#c', '#x', '?/../orders', '?%00', '?%zz', '?a[]=1', '??', '? ', `?${bytesOf('é')}`, '?\\', '?access_token=a.b.c', '?a=%0d%0a']

const target: Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...starts), fc.array(fc.constantFrom(...segments), { maxLength: 5 }), fc.constantFrom('/', '/', '/', '', '\\', '//'), fc.constantFrom(...queries)).map(([start, parts, between, query]) => [start, ...parts].join(between) + query) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom('/orders/1?a=b', '/pub/a/b/c', '/auth/session', '/named/%E2%82%AC', '/carried/a.b'), mutation).map(([path, mutate]) => mutate(path)) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...starts), fc.constantFrom(...segments, 'a'), long(16_000)).map(([start, part, more]) => `${start}/${part}${more}`) }
)

function arbitrary (people: People): Arbitrary<Probe> {
  return fc.record({ target, headers: credentials(people), method: fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'DELETE') })
    .map(({ target, headers, method }) => ({ method: method === 'GET' || !/logout|auth/i.test(target) ? method : 'GET', target: withoutLines(target), headers, body: null }))
}

export const paths: Phase<Probe> = { name: 'paths', share: 0.14, parallel: 16, arbitrary, ...createProbe() }
