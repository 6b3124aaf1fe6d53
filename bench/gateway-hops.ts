import { join } from 'node:path'
import type { BenchContext, Child, Place } from './harness.ts'
import { browser, otherCookies } from './headers.ts'
import { usageOf, type Hop, type Surroundings } from './hop.ts'
import type { GatewayArgs, SignedIn, SignIns } from './processes/gateway.ts'

const users = 500
const endedUsers = 100

type Upstream = Child<{ url: string, other: string, body: string }>

/** Starts the upstream, which has two addresses, with the surroundings that every bench of hops needs. */
export async function startUpstream (context: BenchContext): Promise<{ upstream: string, targets: string[], surroundings: Surroundings }> {
  const upstream: Upstream = await context.start('upstream')
  const { url, other, body } = upstream.ready
  return { upstream: url, targets: [url, other], surroundings: { load: await context.start('load'), body, beside: [usageOf(upstream)] } }
}

export const anonymous = { ...browser, cookie: otherCookies }

export function withToken (token: string): Record<string, string> {
  return { ...anonymous, authorization: `Bearer ${token}` }
}

/** Returns the token with the signature of another one: well-formed, and wrong. */
export function resign (token: string, other: string): string {
  return [...token.split('.').slice(0, 2), other.split('.')[2]].join('.')
}

/** Returns the token as one of another issuer, because the gateway forwards none that it has issued itself. */
function asForeign (token: string): string {
  const [header, payload = '', signature] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  return [header, Buffer.from(JSON.stringify({ ...claims, iss: 'https://idp.example.com' })).toString('base64url'), signature].join('.')
}

/**
 * Starts the floor, and all ways through the gateway; with `targets` also that to an upstream of several processes. `name` is that of the
 * store.
 */
export async function startGatewayHops (upstream: string, context: BenchContext, { targets = [], name = 'gateway', place = 'measured' }: { targets?: string[], name?: string, place?: Place } = {}): Promise<Record<string, Hop>> {
  const further: GatewayArgs['further'] = targets.length === 0 ? [] : [{ prefix: '/balanced', targets, audience: 'orders', scopes: ['orders:read'] }]
  const args: GatewayArgs = { store: { type: 'sqlite', path: join(context.directory, `${name}.db`) }, upstream, further }
  const floor = await context.start<{ url: string }>('floor', { args: { upstream }, place })
  const gateway = await context.start<{ url: string }>('gateway', { args, place })
  const signIn = async (signIns: SignIns): Promise<SignedIn[]> => await gateway.ask('signIn', signIns)
  const tokens = await signIn({ first: 0, count: users, mode: 'tokens' })
  const sessions = await signIn({ first: 0, count: users, mode: 'session' })
  const ended = await signIn({ first: users, count: endedUsers, mode: 'tokens' })
  for (const { sid } of ended) await gateway.ask('revoke', sid)

  const withTokens = tokens.map(({ token }) => withToken(token))
  const withCookies = sessions.map(({ cookie }) => ({ ...browser, cookie: `${otherCookies}; ${cookie}` }))
  const withForged = tokens.map(({ token }, index) => withToken(resign(token, tokens[(index + 1) % tokens.length]!.token)))
  const foreign = tokens.map(({ token }) => withToken(asForeign(token)))
  const badTokens = { 'a wrong signature': withForged[0]!, 'no token': withToken('none') }
  const through = { url: gateway.ready.url, usage: usageOf(gateway) }
  const open = { status: 200, bad: { headers: badTokens, status: 200 }, forwards: 'as sent' } as const
  const guarded = { status: 200, bad: { headers: { ...badTokens, 'no credential': anonymous }, status: 401 }, forwards: 'minted' } as const
  const closed = { status: 401, bad: { headers: badTokens, status: 401 }, forwards: 'as sent' } as const
  const badCookies = { 'a wrong secret': { ...browser, cookie: `${sessions[0]!.cookie.slice(0, -4)}AAAA` }, 'no credential': anonymous }
  return {
    floor: { what: 'node:http and undici dispatch, nothing else', url: floor.ready.url, usage: usageOf(floor), path: '/orders/42', clients: [anonymous], ...open },
    public: { what: 'gateway, public upstream, no credential', ...through, path: '/public/42', clients: [anonymous], ...open },
    carried: { what: 'gateway, public upstream, the client\'s token passes through unread', ...through, path: '/carried/42', clients: foreign, ...open },
    token: { what: `gateway, ${users} ES256 access tokens seen before, minted token for the upstream`, ...through, path: '/orders/42', clients: withTokens, ...guarded },
    cookie: { what: `gateway, ${users} session cookies seen before, minted token for the upstream`, ...through, path: '/orders/42', clients: withCookies, ...guarded, bad: { headers: badCookies, status: 401 } },
    ...targets.length === 0 ? {} : { 'two targets': { what: 'the same tokens, to an upstream with two targets', ...through, path: '/balanced/42', clients: withTokens, ...guarded } },
    strict: { what: 'the same tokens, and the store is asked for each request', ...through, path: '/strict/42', clients: withTokens, ...guarded },
    refused: { what: 'gateway, ES256 access tokens with a wrong signature, which is verified each time', ...through, path: '/orders/42', clients: withForged, ...closed },
    revoked: { what: `gateway, ${endedUsers} access tokens of sessions that have ended`, ...through, path: '/orders/42', clients: ended.map(({ token }) => withToken(token)), ...closed }
  }
}

/** Picks the values that belong to the requested arms. */
export function pick<Value> (all: Record<string, Value>, names: readonly string[]): Record<string, Value> {
  return Object.fromEntries(names.map(name => [name, all[name]!]))
}
