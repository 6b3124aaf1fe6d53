import fc, { type Arbitrary } from 'fast-check'
import { password } from '../helpers/sign-in.ts'
import { createProbe, type Phase, type Probe } from './campaign.ts'
import { long, mutation, oddity, rarely } from './mutations.ts'
import { audiences, type People } from './people.ts'
import { bytesOf } from './wire.ts'

/** Bodies of the gateway's own endpoints: JSON that is changed, nested, repeated, huge, or none; other media types. */

type Endpoint = 'login' | 'refresh' | 'logout' | 'step-up'

const models: Record<Endpoint, object[]> = {
  login: [{ username: 'mallory', password }, { username: 'mallory', password, mode: 'tokens' }, { username: 'mallory', password, mode: 'session', audience: ['orders', 'origin'] }, { username: 'mallory', password: 'a wrong one' }],
  refresh: [{}, { audience: ['orders'] }],
  logout: [{}, { scope: 'this' }, { scope: 'others' }, { scope: 'all' }],
  'step-up': [{ password: 'a wrong one' }]
}

const anything = fc.oneof({ weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) }, fc.constantFrom<unknown[]>(null, true, 0, -0, Infinity, '', [], {}, [[]], 'a'.repeat(257), 'a'.repeat(1025), Array(101).fill('orders'), { $gt: '' }, { toString: 'a' }, '\0', 'ada\0', '../ada', 'ADA', ' ada', '\ud800'))

const name = fc.constantFrom('username', 'password', 'mode', 'audience', 'scope', '__proto__', 'constructor', 'toString', 'sub', 'acr', '')

type Change = (json: string) => string

const changed: Arbitrary<Change> = fc.oneof(
  fc.tuple(name, anything).map(([key, value]): Change => json => JSON.stringify({ ...JSON.parse(json) as object, [key]: value })),
  name.map((key): Change => json => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(json) as object).filter(([given]) => given !== key)))),
  fc.tuple(name, anything).map(([key, value]): Change => json => `{${JSON.stringify(key)}:${JSON.stringify(value)}${json === '{}' ? '' : ','}${json.slice(1)}`),
  mutation.map((mutate): Change => json => mutate(json)),
  anything.map((value): Change => () => JSON.stringify(value)),
  long(20_000).map((text): Change => json => json.replace('mallory', text)),
  fc.tuple(fc.constantFrom('[', '{"a":', '[[],', '{"__proto__":', '"\\"'), fc.nat(3000)).map(([unit, count]): Change => () => unit.repeat(count)),
  fc.nat(3000).map((depth): Change => json => `${json.slice(0, -1)}${json === '{}' ? '' : ','}"audience":${'['.repeat(depth)}${']'.repeat(depth)}}`),
  fc.nat(3000).map((count): Change => () => `{${Array.from({ length: count }, (_, index) => `"a${index}":1`).join()}}`),
  oddity.map((odd): Change => () => odd),
  fc.constantFrom<Change>(json => json, json => bytesOf(`\ufeff${json}`), json => `${json}\0`, json => `//\n${json}`, json => json.replaceAll('"', "'"), json => Buffer.from(json, 'utf16le').toString('latin1'), json => json.replace('a', '\\u0061'), json => `username=mallory&password=${json}`)
)

const huge: Arbitrary<Change> = fc.tuple(fc.constantFrom('a', '[', '[],', '{"a":', '\\u0000', '\xff', '"'), fc.constantFrom(65_536, 1_048_576, 1_048_577, 1_500_000)).map(([unit, length]): Change => () => unit.repeat(Math.ceil(length / unit.length)).slice(0, length))

const types = fc.oneof({ weight: 6, arbitrary: fc.constant<string | null>('application/json') }, fc.constantFrom(null, 'application/json; charset=utf-8', 'application/json;charset=utf-16', 'Application/JSON', 'application/json; charset=utf-8; a="b;c"', 'application/json, text/plain', 'application/jsonp', 'application/problem+json', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=a', '', 'json', '*/*', '\xff'))

/** Whether a sign-in is rightly granted: judged by the text alone, whatever its media type is called. */
function maySignIn (body: string): boolean {
  try {
    // RFC 8259, section 8.1: a byte order mark may be ignored.
    const given = JSON.parse(Buffer.from(body, 'latin1').toString('utf8').replace(/^\ufeff/, '')) as Record<string, unknown> | null
    if (typeof given !== 'object' || given === null || Array.isArray(given) || given['password'] !== password) return false
    const { username, mode, audience, ...others } = given
    const isKnown = (asked: unknown): boolean => asked === 'origin' || (audiences as unknown[]).includes(asked)
    return username === 'mallory' && Object.keys(others).join() === 'password' &&
      [undefined, 'session', 'tokens'].includes(mode as string) && (audience === undefined || (Array.isArray(audience) && audience.every(isKnown)))
  } catch {
    return false
  }
}

function arbitrary (people: People): Arbitrary<Probe> {
  const endpoint = fc.constantFrom<Endpoint[]>('login', 'login', 'refresh', 'logout', 'step-up')
  const body = endpoint.chain(where => fc.tuple(fc.constant(where), fc.constantFrom(...models[where]), fc.oneof({ weight: 100, arbitrary: changed }, { weight: 1, arbitrary: huge })))
  const good = rarely(2, fc.constantFrom(...people.cookies))
  return fc.record({ body, type: types, good }).map(({ body: [where, model, change], type, good }): Probe => {
    const text = change(JSON.stringify(model))
    const isJson = /^application\/json *(;|$)/i.test(type ?? '')
    const opens = where === 'login' && isJson && maySignIn(text)
    // With a good cookie only where that could change nothing: a wrong password, or a body that must be refused.
    const carries = good !== null && where === 'step-up' && !text.includes(password)
    const headers = [...type === null ? [] : [['Content-Type', type] as const], ...carries ? [['Cookie', `__Host-Http-portcullis=${good.cookie}`] as const] : []]
    return { method: 'POST', target: `/auth/${where}`, headers, body: text, opens }
  })
}

export const bodies: Phase<Probe> = { name: 'bodies', share: 0.08, parallel: 8, arbitrary, ...createProbe() }
