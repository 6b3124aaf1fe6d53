import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { strengthen, type Strength } from '../lib/session/authentication.ts'
import { publish, sourceOf } from '../lib/events.ts'
import { createExpiryReport } from './session/expiries.ts'
import type { RequestFacts } from '../lib/http/request-facts.ts'
import type { Identity } from '../lib/identity.ts'
import type { DeepReadonly, SessionData } from '../lib/own-data.ts'
import { copyData } from '../lib/session/data.ts'
import { gridMs, isIdle, isOfOtherOrigin, type SessionRecord } from '../lib/session/record.ts'
import { viewSession, type SessionView } from '../lib/session/view.ts'
import { checkOptions } from '../lib/check-options.ts'
import { createCookieSecret, formatSessionCookie, parseSessionCookie } from '../lib/session/sid.ts'
import { equalInConstantTime, sha256 } from '../lib/secrets.ts'
import { assertFitsToken, checkStrength, type SignIn } from '../lib/session/sign-in.ts'
import { optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { cookieSession } from '../lib/settings/session.ts'
import type { Store } from '../stores/store.ts'
import { addPart, beginPart, partOrNull } from './portcullis.ts'
import type { DeviceGuard } from './session/device-guard.ts'
import { createProviderSessions, type ProviderSessions } from './session/provider-sessions.ts'
import { lifetimesOf, openRecord } from './session/lifetimes.ts'
import { endOthers, takeOver } from './session/carried-sessions.ts'
import { SessionResolver } from './session/resolver.ts'
import { Touches } from './session/touches.ts'

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Opens a session for a subject that has just authenticated, and sets the session cookie. Ends the sessions whose cookies or access token
     * the request carries, and deletes the refresh cookie.
     */
    openSession (signIn: SignIn): Promise<{ session: SessionView }>
  }
}

declare module './portcullis.ts' {
  interface Portcullis {
    session: Sessions
  }
}

export interface Sessions extends ProviderSessions {
  /** Implements `reply.openSession` in this scope. */
  open (reply: FastifyReply, signIn: SignIn): Promise<{ session: SessionView }>
  /** Maximum time between two uses, in milliseconds. */
  readonly idleTimeoutMs: number
  /**
   * Returns the identity that a session cookie represents; see SessionResolver. Revocation is checked separately. A session that is bound
   * to a device is valid only with the device cookie of the request, so it is invalid without `request`.
   */
  resolve (cookie: string, isUse: boolean, request?: RequestFacts): Identity | Promise<Identity>
  /** Resolves a session cookie as `resolve` does, but reads the record from the store even if it is cached. */
  resolveInStore (cookie: string, isUse: boolean, request?: RequestFacts): Promise<Identity>
  /**
   * Returns the record from the store for which a session cookie has the right secret; null if there is none. Idle sessions are included,
   * and the device cookie of a bound session is not required. The result is sufficient only to end a session, and to tell the device what
   * to prove. With `ofAnyOrigin`, sessions of other origins are included, which is only for ending them.
   */
  find (cookie: string, options?: { ofAnyOrigin?: boolean }): Promise<SessionRecord | null>
  /** Returns the record of a session of this origin, if it has not expired. */
  read (sid: string): Promise<SessionRecord | null>
  /** Notes that a session is in use now, for example because a long transfer is moving. */
  noteUse (sid: string): void
  /** Returns the subject's sessions of this origin that have not expired, newest first. */
  list (subject: string): Promise<SessionRecord[]>
  /**
   * Issues a new cookie secret for a session after a fresh authentication; the old one becomes invalid. `acr` and `amr` of the session are
   * never lowered (lib/session/authentication.ts). Ends other sessions whose session cookie the request carries, because the new cookie
   * replaces it. Returns null if the session is gone, idle, or of another origin (`read`).
   */
  renew (reply: FastifyReply, sid: string, fresh: Strength): Promise<SessionRecord | null>
  /**
   * Replaces the whole data of a session in one operation, so that the last of several writes counts. The identities of later requests of this
   * process have the new data, and those of other processes as soon as they read the change from the store. It does not extend the idle time.
   * Returns null if the session is gone, idle, or of another origin (`read`). Throws TypeError that names the fault if the data is no JSON
   * object of at most 4096 bytes. Rejects with StoreUnavailableError if the outcome is unknown.
   */
  update (sid: string, data: DeepReadonly<SessionData>): Promise<SessionRecord | null>
  /** Returns a session as its owner may see it. Its data is not included. */
  view (record: SessionRecord): SessionView
}

export interface SessionOptions extends OptionsFrom<typeof cookieSession> {}

const Options = optionsOf(cookieSession)

/** Server-side sessions: an opaque cookie, with the state in the store. A revoked session ends in every process at once. */
export default fp<SessionOptions>(async function sessionPlugin (fastify, options) {
  const { cacheSize, ...checked } = checkOptions('portcullis-session', Options, options)
  const portcullis = beginPart(fastify, 'session')
  const lifetimes = lifetimesOf(fastify, 'portcullis-session', options, checked)
  const { idleTimeoutMs } = lifetimes
  const { store, cookies, blocklist } = portcullis
  const touches = new Touches(store, idleTimeoutMs, gridMs(idleTimeoutMs))
  let devices: DeviceGuard | null = null
  // The `deviceBound` part may be registered after this one.
  const findDevices = (): DeviceGuard | null => {
    devices ??= partOrNull(portcullis, 'deviceBound')
    return devices
  }
  const resolver = new SessionResolver(store, touches, { origin: cookies.origin, idleTimeoutMs, cacheSize, reportExpiry: createExpiryReport(portcullis), findDevices })
  blocklist.subscribe(entry => resolver.forget(entry))
  fastify.addHook('onClose', async () => await touches.stop())
  const reads = createReads(store, touches, { idleTimeoutMs, origin: cookies.origin })
  // Sessions that were bound before count as unbound if device binding is off.
  const view = (record: SessionRecord): SessionView => viewSession(findDevices() === null ? { ...record, device: null } : record, idleTimeoutMs)

  addPart(fastify, 'session', {
    idleTimeoutMs,
    async open (reply, signIn) {
      const { secret, secretHash } = createCookieSecret()
      const record = await openRecord(reply, signIn, { mode: 'session', secretHash, lifetimes }, portcullis)
      await takeOver(reply, record.sid, 'session', portcullis)
      cookies.set(reply, 'session', formatSessionCookie(record.sid, secret))
      findDevices()?.offer(reply, record)
      publish({ event: 'session.opened', sid: record.sid, subject: record.subject, ...sourceOf(reply.request), outcome: 'session' }, portcullis)
      return { session: view(record) }
    },
    resolve: (cookie, isUse, request) => resolver.resolve(cookie, isUse, request),
    resolveInStore: async (cookie, isUse, request) => await resolver.resolveInStore(cookie, isUse, request),
    view,
    noteUse: sid => { touches.note(sid, store.nowMs()) },
    ...reads,
    ...createProviderSessions({ portcullis, lifetimes, findDevices, view, read: reads.read }),
    async renew (reply, sid, fresh) {
      const strength = checkStrength(fresh)
      // The origin of a record never changes, and the store does not renew a record that has expired meanwhile.
      const known = await reads.read(sid)
      if (known === null) return null
      assertFitsToken({ ...known, ...strengthen(known, strength, 0) })
      await endOthers(reply, sid, portcullis)
      const { secret, secretHash } = createCookieSecret()
      const record = await store.renew(sid, { secretHash, ...strength })
      blocklist.note({ kind: 'changed', sid })
      if (record === null) return null
      cookies.set(reply, 'session', formatSessionCookie(sid, secret))
      findDevices()?.offer(reply, record)
      return record
    },
    async update (sid, data) {
      const copy = copyData(data)
      // As for a renewal, the origin of a record never changes.
      if (await reads.read(sid) === null) return null
      const record = await store.replaceData(sid, copy)
      blocklist.note({ kind: 'changed', sid })
      return record
    }
  })

  if (!fastify.hasReplyDecorator('openSession')) fastify.decorateReply('openSession', async function (signIn) { return await this.server.portcullis.session.open(this, signIn) })
}, { name: 'portcullis-session', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-cookies', 'portcullis-blocklist'] })

function createReads (store: Store, touches: Touches, { idleTimeoutMs, origin }: { idleTimeoutMs: number, origin: string }): Pick<Sessions, 'find' | 'read' | 'list'> {
  async function readOwn (sid: string): Promise<SessionRecord | null> {
    const record = await store.read(sid)
    return record === null || isOfOtherOrigin(record, origin) ? null : record
  }
  return {
    async find (cookie, { ofAnyOrigin = false } = {}) {
      const parsed = parseSessionCookie(cookie)
      const record = parsed === null ? null : await (ofAnyOrigin ? store.read(parsed.sid) : readOwn(parsed.sid))
      const isRight = parsed !== null && typeof record?.secretHash === 'string' && equalInConstantTime(record.secretHash, sha256(parsed.secret))
      return isRight ? record : null
    },
    async read (sid) {
      await touches.flush()
      const record = await readOwn(sid)
      return record === null || isIdle(record, store.nowMs(), idleTimeoutMs) ? null : record
    },
    async list (subject) {
      await touches.flush()
      const records = await store.list(subject)
      return records.filter(record => !isOfOtherOrigin(record, origin) && !isIdle(record, store.nowMs(), idleTimeoutMs))
    }
  }
}
