import fc, { type Arbitrary } from 'fast-check'
import { METHODS } from 'node:http'
import { createProbe, type Phase, type Probe } from './campaign.ts'
import { credentials } from './credentials.ts'
import { mutation, withoutLines } from './mutations.ts'
import type { People } from './people.ts'

/** Every method that there is, and some that there are not, at everything that there is. */

const method = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...METHODS) },
  { weight: 1, arbitrary: fc.constantFrom('get', 'Get', 'GETS', 'G', 'ZEBRA', 'PRI', '__proto__', 'constructor', 'GET,POST', 'ALL', '*', 'A'.repeat(300)) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom('GET', 'POST', 'DELETE', 'QUERY'), mutation).map(([given, mutate]) => withoutLines(mutate(given)).replaceAll(' ', '')) }
)

const targets = ['/orders/1', '/orders', '/named/1', '/pub/1', '/pub', '/carried/1', '/auth', '/auth/', '/auth/login', '/auth/login/', '/auth/session', '/auth/sessions', '/auth/sessions/AAAAAAAAAAAAAAAAAAAAAA', '/auth/refresh', '/auth/step-up', '/oauth/revoke', '/.well-known/jwks.json', '/.well-known/jwks.json/', '/', '/nothing', '*']

function arbitrary (people: People): Arbitrary<Probe> {
  return fc.record({ method, target: fc.constantFrom(...targets), good: credentials(people), body: fc.constantFrom(null, null, '', '{}', 'a=b'), type: fc.constantFrom(null, 'application/json', 'text/plain') })
    .map(({ method, target, good, body, type }) => ({ method, target, headers: [...type === null ? [] : [['Content-Type', type] as const], ...good], body }))
}

export const methods: Phase<Probe> = { name: 'methods', share: 0.05, parallel: 16, arbitrary, ...createProbe() }
