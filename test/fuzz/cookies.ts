import fc, { type Arbitrary } from 'fast-check'
import { createProbe, type Phase, type Probe } from './campaign.ts'
import { long, mutation, oddity, rarely, replacement, withoutLines } from './mutations.ts'
import { hasRefreshToken, personOf } from './oracle.ts'
import type { People } from './people.ts'

/** Session and refresh cookies: changed values, duplicates, other spellings of the names, quotes, thousands of pairs. */

const sessionNames = ['__Host-Http-portcullis', '__Host-Http-portcullis', '__Host-Http-portcullis', '__host-portcullis', '__HOST-PORTCULLIS', '__Secure-portcullis', 'portcullis', '__Host-Http-portcullis ', ' __Host-Http-portcullis', '=__Host-Http-portcullis', '"__Host-Http-portcullis"', '__Host-Http-portcullis\xa0', '%5F_Host-portcullis', '__Host-Http-portcullis[]', 'x__Host-Http-portcullis', '__Host-portcullis-device', '$__Host-Http-portcullis']
const refreshNames = ['__Secure-portcullis-refresh', '__Secure-portcullis-refresh', '__Secure-portcullis-refresh', '__secure-portcullis-refresh', 'portcullis-refresh', '__Host-Http-portcullis-refresh', ' __Secure-portcullis-refresh', '=__Secure-portcullis-refresh']

type Mutate = (text: string) => string

const wrapping: Arbitrary<Mutate> = fc.constantFrom<Mutate>(text => `"${text}"`, text => ` ${text} `, text => `\t${text}`, text => `\xa0${text}`, text => `${text}\xa0`, text => `${text}\x0b`, text => `${text}=`, text => `=${text}`, text => encodeURIComponent(text), text => text.replace('.', '%2E'), text => text.replace('.', '..'), text => `${text}.`, text => `s:${text}`, text => `${text}, ${text}`)

/** A pair of a name and a value that is genuine, changed, or put together from two. */
function pairOf (names: string[], value: Arbitrary<string>): Arbitrary<string> {
  const values = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(value, mutation).map(([genuine, mutate]) => mutate(genuine)) },
    { weight: 3, arbitrary: fc.tuple(value, replacement).map(([genuine, replace]) => replace(genuine)) },
    { weight: 2, arbitrary: fc.tuple(value, wrapping).map(([genuine, wrap]) => wrap(genuine)) },
    { weight: 1, arbitrary: fc.tuple(value, value).map(([a, b]) => a.slice(0, 22) + b.slice(22)) },
    { weight: 1, arbitrary: fc.tuple(value, fc.nat(90)).map(([a, length]) => a.slice(0, length)) },
    { weight: 1, arbitrary: value },
    { weight: 1, arbitrary: long(16_000) },
    { weight: 1, arbitrary: oddity }
  )
  return fc.tuple(fc.constantFrom(...names), values).map(([name, text]) => `${name}=${text}`)
}

const crowd = fc.tuple(fc.oneof({ weight: 9, arbitrary: fc.nat(100) }, fc.nat(3000)), fc.constantFrom('a=b', 'x', '=', '', '__Host-portculli=a', 'portcullis')).map(([count, pair]) => Array(count).fill(pair).join('; '))

const places: Array<readonly [method: string, target: string, body?: string]> = [['GET', '/orders/1'], ['POST', '/orders'], ['GET', '/named/1'], ['GET', '/pub/1'], ['GET', '/carried/1'], ['GET', '/auth/session'], ['GET', '/auth/sessions'], ['POST', '/auth/refresh'], ['POST', '/auth/refresh'], ['POST', '/auth/refresh'], ['POST', '/auth/logout'], ['POST', '/auth/logout', '{"scope":"all"}'], ['POST', '/auth/step-up', '{"password":"a wrong one"}']]

const separator = fc.constantFrom('; ', '; ', '; ', ';', ';;', ' ; ', ',', '&', '\t;\t', '; \xa0')

function arbitrary (people: People): Arbitrary<Probe> {
  const session = pairOf(sessionNames, fc.constantFrom(...people.cookies.map(({ cookie }) => cookie)))
  const refresh = pairOf(refreshNames, fc.constantFrom(...people.tokens.map(({ refresh }) => refresh)))
  const pair = fc.oneof({ weight: 5, arbitrary: session }, { weight: 4, arbitrary: refresh }, { weight: 1, arbitrary: crowd }, oddity, fc.constantFrom('theme=dark', '_ga=GA1.1'))
  const header = fc.tuple(fc.oneof(pair.map(one => [one]), fc.array(pair, { minLength: 1, maxLength: 4 })), separator).map(([pairs, between]) => withoutLines(pairs.join(between)))
  const headers = fc.oneof({ weight: 6, arbitrary: header.map(value => [value]) }, fc.array(header, { minLength: 2, maxLength: 3 }))
  const bearer = rarely(8, fc.constantFrom('Bearer a.b.c', `Bearer ${people.tokens[0]?.token}`))
  return fc.record({ headers, bearer, name: fc.constantFrom('Cookie', 'cookie', 'COOKIE'), place: fc.constantFrom(...places) }).map(({ headers, bearer, name, place: [method, target, body] }): Probe => {
    const sent: Probe = {
      method,
      target,
      headers: [...body === undefined ? [] : [['Content-Type', 'application/json'] as const], ...headers.map(value => [name, value] as const), ...bearer === null ? [] : [['Authorization', bearer] as const]],
      body: body ?? null
    }
    // What signs a good session out, or uses a refresh token up, is no mutation.
    return method === 'POST' && target.startsWith('/auth') && isGood(sent, people) ? { ...sent, method: 'GET', target: '/orders/1', body: null } : sent
  })
}

function isGood (sent: Probe, people: People): boolean {
  if (hasRefreshToken(sent, people)) return true
  const alone = { ...sent, headers: sent.headers.filter(([name]) => name.toLowerCase() !== 'authorization') }
  const bearerAlone = { ...sent, headers: sent.headers.filter(([name]) => name.toLowerCase() !== 'cookie') }
  return sent.target !== '/auth/step-up' && (personOf(alone, people, 'origin') !== null || personOf(bearerAlone, people, 'origin') !== null)
}

// Many at once: a cookie that names a session, with a wrong secret, waits until the store is asked again.
export const cookies: Phase<Probe> = { name: 'cookies', share: 0.22, parallel: 64, arbitrary, ...createProbe() }
