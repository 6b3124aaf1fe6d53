import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify'
import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import type { SecurityEvent } from '../../lib/events.ts'
import { StoreUnavailableError } from '../../lib/errors.ts'
import accessToken, { type AccessTokenOptions } from '../../plugins/access-token.ts'
import authenticate from '../../plugins/authenticate.ts'
import blocklist, { type BlocklistOptions } from '../../plugins/blocklist.ts'
import cookies, { type CookiesOptions } from '../../plugins/cookies.ts'
import errors from '../../plugins/errors.ts'
import keys, { type KeysOptions } from '../../plugins/keys.ts'
import mint, { type MintOptions } from '../../plugins/mint.ts'
import refreshToken, { type RefreshTokenOptions } from '../../plugins/refresh-token.ts'
import session, { type SessionOptions } from '../../plugins/session.ts'
import storePlugin from '../../plugins/store.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { Store } from '../../stores/store.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { learnSecret, watch } from './secrets.ts'

export const origin = 'https://app.example.com'
export const secret = randomBytes(32).toString('base64url')
export const otherSecret = randomBytes(32).toString('base64url')

for (const configured of [secret, otherSecret]) learnSecret('a configured secret', configured)

export const sessionCookieName = '__Host-Http-portcullis'
export const refreshCookieName = '__Secure-portcullis-refresh'

/** The options of the plugins; omitted ones have their defaults. */
export interface AppOptions {
  blocklist?: BlocklistOptions
  cookies?: CookiesOptions
  keys?: Partial<KeysOptions>
  accessToken?: Partial<AccessTokenOptions>
  session?: SessionOptions
  refreshToken?: Partial<RefreshTokenOptions>
  mint?: MintOptions
}

/** Creates an embedded store in memory, whose clock the test moves. Several apps can share it. Ends with the test. */
export async function createStore (t: Test): Promise<{ store: Store, advance: (ms: number) => void }> {
  let offsetMs = 0
  const store = await createSqliteStore({ path: ':memory:', now: () => Date.now() + offsetMs })
  t.teardown(() => store.end())
  return { store, advance: ms => { offsetMs += ms } }
}

type Method = Exclude<keyof Store, 'type' | 'nowMs' | 'onGrowth' | 'end'>

export interface FaultyStore {
  store: Store
  /** The number of calls of each method. */
  calls: Partial<Record<Method, number>>
  /** Makes these methods reject as in an outage; all of them when none is named. */
  fail (...methods: Method[]): void
  recover (): void
  /** Runs `work` before the next call of the method reaches the store. */
  before (method: Method, work: () => Promise<void>): void
}

/** Creates a store that counts its calls and can fail. */
export function createFaultyStore (store: Store): FaultyStore {
  const calls: FaultyStore['calls'] = {}
  const works = new Map<string, () => Promise<void>>()
  let isDown: (method: string) => boolean = () => false
  const faulty = new Proxy(store, {
    get (target, name: keyof Store) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function' || ['nowMs', 'onGrowth', 'end'].includes(name)) return member
      return async (...given: unknown[]): Promise<unknown> => {
        calls[name as Method] = (calls[name as Method] ?? 0) + 1
        const work = works.get(name)
        works.delete(name)
        await work?.()
        if (isDown(name)) throw new StoreUnavailableError({ cause: new Error('away') })
        return await (member as (...given: unknown[]) => Promise<unknown>).apply(target, given)
      }
    }
  })
  return {
    store: faulty,
    calls,
    fail: (...methods) => { isDown = name => methods.length === 0 || (methods as string[]).includes(name) },
    recover: () => { isDown = () => false },
    before: (method, work) => { works.set(method, work) }
  }
}

/** Creates a bare server that is closed with the test; then its log and its events are searched for every secret. */
export function createServer (t: Test): FastifyInstance {
  const watched = watch(t)
  const app = Fastify({ logger: { level: 'trace', stream: watched.log } })
  t.teardown(async () => {
    await app.close()
    watched.search()
  })
  return app
}

/** Builds a server with every plugin up to `authenticate` and `mint`, and what `register` adds before it is ready. */
export async function buildApp (t: Test, store: Store, options: AppOptions = {}, register: (app: FastifyInstance) => void | Promise<void> = () => {}): Promise<FastifyInstance> {
  const app = createServer(t)
  await app.register(errors, { origin, shape: 'all', notFound: true })
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist, options.blocklist ?? {})
  await app.register(cookies, { origin, ...options.cookies })
  await app.register(keys, { secret, ...options.keys })
  await app.register(accessToken, { issuer: origin, ...options.accessToken })
  await app.register(session, options.session ?? {})
  await app.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation }), ...options.refreshToken })
  await app.register(authenticate, { origin })
  await app.register(mint, options.mint ?? {})
  addRoutes(app)
  await register(app)
  await app.ready()
  return app
}

/** Adds sign-in and refresh as an author writes them. The query names the subject; the audiences are orders and billing. */
function addRoutes (app: FastifyInstance): void {
  const signIn = (query: unknown) => ({ subject: (query as { subject?: string }).subject ?? 'ada', scopes: ['orders:read'], audiences: ['orders', 'billing'] })
  app.post('/login', async (request, reply) => await reply.openSession(signIn(request.query)))
  app.post('/tokens', async (request, reply) => await reply.openFamily(signIn(request.query)))
  app.post('/refresh', async (request, reply) => await reply.rotateFamily(request.query as { audience?: string[] }))
}

/** Opens a session; resolves to the Cookie header to send. */
export async function openSession (app: FastifyInstance, subject = 'ada'): Promise<{ cookie: string, sid: string }> {
  const response = await app.inject({ method: 'POST', url: '/login', query: { subject } })
  return { cookie: cookieOf(response, sessionCookieName) ?? '', sid: response.json<{ session: { sid: string } }>().session.sid }
}

/** Opens a token family; resolves to the access token and the Cookie header to send. */
export async function openFamily (app: FastifyInstance, subject = 'ada'): Promise<{ cookie: string, token: string, sid: string }> {
  const response = await app.inject({ method: 'POST', url: '/tokens', query: { subject } })
  const { access_token: token, session: { sid } } = response.json<{ access_token: string, session: { sid: string } }>()
  return { cookie: cookieOf(response, refreshCookieName) ?? '', token, sid }
}

/** Returns `name=value` of a cookie that a response sets; null when it sets none of that name. */
export function cookieOf (response: LightMyRequestResponse, name: string): string | null {
  const cookie = response.cookies.find(cookie => cookie.name === name)
  return cookie === undefined ? null : `${name}=${cookie.value}`
}

/** Decodes header and claims of a token without verification. */
export function decode (token: string): { header: Record<string, unknown>, claims: Record<string, unknown> } {
  const [header, claims] = token.split('.').slice(0, 2).map(part => JSON.parse(Buffer.from(part, 'base64url').toString() || 'null') as Record<string, unknown>)
  return { header: header ?? {}, claims: claims ?? {} }
}

/** Creates a record as a store would return it, for tests that only read one. */
export function sessionRecord (changes: Partial<SessionRecord> = {}): SessionRecord {
  const nowMs = Date.now()
  return {
    sid: 'AAAAAAAAAAAAAAAAAAAAAA',
    subject: 'ada',
    username: 'ada',
    mode: 'tokens',
    epoch: 1,
    secretHash: null,
    createdAtMs: nowMs,
    authTimeMs: nowMs,
    lastUsedAtMs: nowMs,
    expiresAtMs: nowMs + 3_600_000,
    acr: '1',
    amr: ['pwd'],
    scopes: ['orders:read'],
    audiences: ['orders', 'billing'],
    client: { userAgent: '', ip: '127.0.0.1' },
    family: null,
    origin: null,
    device: null,
    data: {},
    provider: null,
    ...changes
  }
}

/** Resolves when `predicate` holds; otherwise the test's time limit ends it. */
export async function until (predicate: () => boolean | Promise<boolean>): Promise<void> {
  while (!await predicate()) await wait(5)
}

/** Records the security events that are published while the test runs, without their time and their request. */
export function recordEvents (t: Test): SecurityEvent[] {
  const events: SecurityEvent[] = []
  const record = (event: unknown): void => {
    const { request: _, at: __, ...rest } = event as SecurityEvent
    events.push(rest)
  }
  subscribe('portcullis:event', record)
  t.teardown(() => { unsubscribe('portcullis:event', record) })
  return events
}
