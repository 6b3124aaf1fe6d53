import type { FastifyReply, FastifyRequest } from 'fastify'
import { deviceInForce, type BoundDevice, type SessionRecord } from '../../lib/session/record.ts'
import { isSignedBy, parseProof, type DeviceProof } from '../../lib/session/device-proof.ts'
import { formatTicket, parseTicket, type Ticket } from '../../lib/session/device-ticket.ts'
import { CredentialsMissingError, DeviceProofRequiredError, SessionInvalidError, StoreUnavailableError } from '../../lib/errors.ts'
import { publish, sourceOf, type EventName } from '../../lib/events.ts'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import { isNavigation } from '../../lib/http/navigation.ts'
import type { DerivedSecret } from '../../lib/secrets.ts'
import type { Portcullis } from '../portcullis.ts'
import type { DeviceGuard } from '../session/device-guard.ts'

/** Instructions for a browser about the session that it keeps alive (Device Bound Session Credentials, session instructions). */
export interface SessionInstructions {
  session_identifier: string
  refresh_url: string
  scope: { origin: string, include_site: false, scope_specification: [] }
  credentials: Array<{ type: 'cookie', name: string, attributes: string }>
}

export interface DeviceBound extends DeviceGuard {
  /** Lifetime of a device cookie, in milliseconds. */
  readonly cookieTtlMs: number
  /**
   * Returns the session whose cookie the request carries, regardless of its device, for `register` and `refresh`. Rejects if there is none.
   */
  presented (request: FastifyRequest): Promise<SessionRecord>
  /**
   * Binds the session to the key that the request proves to possess, and sets the device cookie. Rejects with DeviceProofRequiredError if
   * the proof is invalid, or the session is bound to another key; with SessionInvalidError if the session no longer exists.
   */
  register (reply: FastifyReply, record: SessionRecord): Promise<SessionInstructions>
  /**
   * Issues the next device cookie to a client that proves possession of the session's key. Rejects with DeviceProofRequiredError, which
   * carries the challenge to sign, if the request does not; with SessionInvalidError if there is nothing to renew.
   */
  refresh (reply: FastifyReply, record: SessionRecord): Promise<SessionInstructions>
  /** Returns the expiry of the request's device cookie, by the store's clock in milliseconds; null if it has none of this session. */
  endOfRequest (request: RequestFacts, sid: string): number | null
}

interface Settings {
  secrets: [DerivedSecret, ...DerivedSecret[]]
  origin: string
  path: string
  cookieTtlMs: number
}

/** Maximum time from the offer of a binding to its proof. */
const registrationMs = 300_000
/** Time by which a challenge outlives the cookie with which it was sent. An expired challenge is replaced at the cost of a round trip. */
const challengeMarginMs = 60_000
/**
 * Time by which browsers discard the cookie before it expires, so that no request in transit is rejected; at most a fifth of its lifetime.
 */
const cookieMarginMs = 10_000

type Parts = Pick<Portcullis, 'store' | 'cookies' | 'blocklist' | 'session'>
type BoundRecord = SessionRecord & { device: BoundDevice }

/** Challenges, proofs and device cookies. Challenges and cookies are functions of the session and the secret, so none of them is stored. */
export class Devices implements DeviceBound {
  readonly cookieTtlMs: number
  readonly #parts: Parts
  readonly #settings: Settings

  constructor (parts: Parts, settings: Settings) {
    this.cookieTtlMs = settings.cookieTtlMs
    this.#parts = parts
    this.#settings = settings
  }

  offer (reply: FastifyReply, record: SessionRecord): void {
    if (record.device !== null) return
    const challenge = this.#issue({ purpose: 'register', sid: record.sid, number: 0 }, registrationMs)
    void reply.header('secure-session-registration', `(ES256);path="${this.#settings.path}/register";challenge="${challenge}"`)
  }

  read (request: RequestFacts): string | null {
    return this.#parts.cookies.read(request, 'device')
  }

  endOf (deviceCookie: string, sid: string): number | null {
    const parsed = parseTicket(this.#settings.secrets, cookieOf(sid), deviceCookie)
    if (parsed.result === 'unknown-key') throw new StoreUnavailableError({ cause: new Error('a device cookie of a secret that is not known here (yet)') })
    return parsed.result === 'genuine' ? parsed.endsAtMs : null
  }

  /**
   * Returns the error for a missing or invalid device cookie. Browsers do not renew the cookie on behalf of another site, so a link from
   * there arrives without it once it has expired. If the response makes the page request the same address again, that request carries a
   * renewed cookie. It is same-origin, so the page is asked only once.
   */
  refusal (request: RequestFacts | undefined): Error {
    const error = new SessionInvalidError({ cause: new Error('no device cookie that is good') })
    const { 'sec-fetch-site': site } = request?.headers ?? {}
    const isFromElsewhere = request !== undefined && isNavigation(request.method, request.headers) && (site === 'cross-site' || site === 'same-site')
    return isFromElsewhere ? Object.assign(error, { headers: { refresh: '0' } }) : error
  }

  endOfRequest (request: RequestFacts, sid: string): number | null {
    const cookie = this.read(request)
    return cookie === null ? null : this.endOf(cookie, sid)
  }

  async presented (request: FastifyRequest): Promise<SessionRecord> {
    const { cookies, session } = this.#parts
    const cookie = cookies.read(request, 'session')
    if (cookie === null) throw new CredentialsMissingError()
    const found = await session.find(cookie)
    const record = found === null ? null : await session.read(found.sid)
    if (record === null) throw new SessionInvalidError()
    return record
  }

  async register (reply: FastifyReply, record: SessionRecord): Promise<SessionInstructions> {
    const { store, blocklist } = this.#parts
    const proof = proofOf(reply.request)
    if (proof === null || proof.publicKey === null) throw this.#refused(reply, record, 'malformed')
    if (!this.#isAnswered({ purpose: 'register', sid: record.sid, number: 0 }, proof)) throw this.#refused(reply, record, 'challenge')
    if (!isSignedBy(proof.publicKey, proof)) throw this.#refused(reply, record, 'signature')
    const binding = await store.bindDevice(record.sid, { publicKey: proof.publicKey })
    if (binding === null) throw new SessionInvalidError()
    if (binding.outcome === 'refused') throw this.#refused(reply, record, 'key')
    // Only a browser that has not received its binding has a reason to repeat the request. Any other repetition is a copy.
    if (deviceInForce(binding.record) !== null) throw this.#refused(reply, binding.record, 'challenge')
    blocklist.note({ kind: 'changed', sid: record.sid })
    if (binding.outcome === 'bound') this.#publish('device.bound', reply, record)
    return this.#admit(reply, binding.record)
  }

  async refresh (reply: FastifyReply, record: SessionRecord): Promise<SessionInstructions> {
    if (!isBound(record) || idOf(reply.request) !== record.sid) throw new SessionInvalidError({ cause: new Error('not the session that the device has') })
    if (reply.request.headers['secure-session-response'] === undefined) throw this.#challenged(record)
    const proof = proofOf(reply.request)
    if (proof === null) throw this.#refused(reply, record, 'malformed')
    if (!this.#isAnswered(challengeOf(record), proof)) throw this.#refused(reply, record, 'challenge')
    if (!isSignedBy(record.device.publicKey, proof)) throw this.#refused(reply, record, 'signature')
    const renewal = await this.#parts.store.renewDevice(record.sid, record.device.renewals)
    if (renewal === null) throw new SessionInvalidError()
    if (renewal.outcome === 'used') throw this.#refused(reply, renewal.record, 'challenge')
    if (record.device.renewals === 0) this.#parts.blocklist.note({ kind: 'changed', sid: record.sid })
    this.#publish('device.renewed', reply, record)
    return this.#admit(reply, renewal.record)
  }

  /** Sets the next device cookie, and sends in advance the challenge for the one after it. */
  #admit (reply: FastifyReply, record: SessionRecord): SessionInstructions {
    const { cookies } = this.#parts
    const { origin, path } = this.#settings
    const keptMs = this.cookieTtlMs - Math.min(cookieMarginMs, this.cookieTtlMs / 5)
    cookies.set(reply, 'device', this.#issue(cookieOf(record.sid), this.cookieTtlMs), Math.max(1, Math.floor(keptMs / 1000)))
    if (isBound(record)) void reply.headers(this.#challengeHeader(aheadOf(record)))
    return {
      session_identifier: record.sid,
      refresh_url: `${path}/refresh`,
      scope: { origin, include_site: false, scope_specification: [] },
      credentials: [{ type: 'cookie', ...cookies.describe('device') }]
    }
  }

  #isAnswered (ticket: Ticket, { challenge }: DeviceProof): boolean {
    const parsed = parseTicket(this.#settings.secrets, ticket, challenge)
    return parsed.result === 'genuine' && this.#parts.store.nowMs() < parsed.endsAtMs
  }

  #issue (ticket: Ticket, forMs: number): string {
    return formatTicket(this.#settings.secrets[0], ticket, this.#parts.store.nowMs() + forMs)
  }

  /** Returns the error for an invalid proof, with a challenge if the session has a device that can sign it. */
  #refused (reply: FastifyReply, record: SessionRecord, outcome: 'malformed' | 'challenge' | 'signature' | 'key'): Error {
    this.#publish('device.refused', reply, record, outcome)
    return isBound(record) ? this.#challenged(record) : new DeviceProofRequiredError({ cause: new Error(outcome) })
  }

  #challenged (record: BoundRecord): Error {
    return Object.assign(new DeviceProofRequiredError(), { headers: this.#challengeHeader(record) })
  }

  #challengeHeader (record: BoundRecord): { 'secure-session-challenge': string } {
    return { 'secure-session-challenge': `"${this.#issue(challengeOf(record), this.cookieTtlMs + challengeMarginMs)}";id="${record.sid}"` }
  }

  #publish (event: EventName, { request }: FastifyReply, { sid, subject }: SessionRecord, outcome?: string): void {
    publish({ event, sid, subject, ...sourceOf(request), ...outcome === undefined ? {} : { outcome } }, this.#parts)
  }
}

function isBound (record: SessionRecord): record is BoundRecord {
  return record.device !== null
}

function cookieOf (sid: string): Ticket {
  return { purpose: 'cookie', sid, number: 0 }
}

/**
 * Returns the record from which the challenge is made that is sent in advance. The device cookie of a binding is its first proof and counts
 * as number 0, so the challenge is for the next number.
 */
function aheadOf (record: BoundRecord): BoundRecord {
  return { ...record, device: { ...record.device, renewals: Math.max(1, record.device.renewals) } }
}

function challengeOf ({ sid, device }: BoundRecord): Ticket {
  return { purpose: 'refresh', sid, number: device.renewals }
}

function proofOf (request: FastifyRequest): DeviceProof | null {
  const header = textOf(request.headers['secure-session-response'])
  return header === null ? null : parseProof(header)
}

function idOf (request: FastifyRequest): string | null {
  return textOf(request.headers['sec-secure-session-id'])
}

/** Removes the quotes of a structured string (RFC 9651) if they are present, because browsers and the draft differ. */
function textOf (header: string | string[] | undefined): string | null {
  return typeof header === 'string' ? header.replace(/^"([^"]*)"$/, '$1') : null
}
