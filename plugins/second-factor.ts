import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { checkOptions } from '../lib/check-options.ts'
import { StoreUnavailableError } from '../lib/errors.ts'
import type { DerivedSecret } from '../lib/secrets.ts'
import { formatChallenge, longestChallengeToken, parseChallenge, type PendingChallenge } from '../lib/session/challenge-token.ts'
import { optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { secretOption } from '../lib/settings/secret.ts'
import { deriveSecrets } from './keys.ts'
import { addPart, beginPart, type Portcullis } from './portcullis.ts'

export type { PendingChallenge }

declare module './portcullis.ts' {
  interface Portcullis {
    /** Challenges of a second factor, between the first factor and the end of the sign-in. */
    secondFactor: SecondFactor
  }
}

/** Result of opening a challenge token. `reason` is for events, never for the client. */
export type OpenedChallenge = { pending: PendingChallenge } | { pending: null, reason: 'forged' | 'expired' }

export interface SecondFactor {
  /**
   * Issues a challenge that is valid for five minutes, and sets the challenge cookie, without which the token does not open. A later
   * challenge of the same client replaces it.
   */
  issue (reply: FastifyReply, challenge: Omit<PendingChallenge, 'id' | 'endsAtMs'>): string
  /**
   * Opens a token of the client that sends the request, at routes with the prefix of those that issued it. Throws StoreUnavailableError if the
   * token was sealed under a secret that this process does not have (yet).
   */
  open (request: Pick<FastifyRequest, 'headers' | 'server'>, token: string): OpenedChallenge
  /** Uses a challenge up. Resolves to true for exactly one caller in all processes. */
  use (pending: PendingChallenge): Promise<boolean>
}

const own = {
  /** Secret that seals challenges; at least 32 bytes, base64url. A list serves to change it: the first one seals. */
  secret: secretOption
}

export interface SecondFactorOptions extends OptionsFrom<Record<never, never>, typeof own> {}

const Options = optionsOf({}, own)

const lifetimeMs = 300_000

/** Asks for a second factor at the routes that sign in, if `identity` has `verifyChallenge`. */
export default fp<SecondFactorOptions>(async function secondFactorPlugin (fastify, options) {
  const { secret } = checkOptions('portcullis-second-factor', Options, options)
  const portcullis = beginPart(fastify, 'secondFactor')
  addPart(fastify, 'secondFactor', new Challenges(portcullis, deriveSecrets('portcullis-second-factor', secret)))
}, { name: 'portcullis-second-factor', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-cookies'] })

class Challenges implements SecondFactor {
  readonly #parts: Pick<Portcullis, 'store' | 'cookies'>
  readonly #secrets: [DerivedSecret, ...DerivedSecret[]]

  constructor (parts: Pick<Portcullis, 'store' | 'cookies'>, secrets: [DerivedSecret, ...DerivedSecret[]]) {
    this.#parts = parts
    this.#secrets = secrets
  }

  issue (reply: FastifyReply, challenge: Omit<PendingChallenge, 'id' | 'endsAtMs'>): string {
    const { store, cookies } = this.#parts
    const cookie = randomBytes(32).toString('base64url')
    const pending = { ...challenge, id: randomBytes(16).toString('base64url'), endsAtMs: store.nowMs() + lifetimeMs }
    const token = formatChallenge(this.#secrets[0], pending, { origin: cookies.origin, prefix: reply.server.prefix, cookie })
    if (token.length > longestChallengeToken) throw new RangeError('the audiences and the state of a challenge are too long for its token')
    cookies.set(reply, 'challenge', cookie, lifetimeMs / 1000)
    return token
  }

  open (request: Pick<FastifyRequest, 'headers' | 'server'>, token: string): OpenedChallenge {
    const { store, cookies } = this.#parts
    const cookie = cookies.read(request, 'challenge')
    if (cookie === null) return { pending: null, reason: 'forged' }
    const parsed = parseChallenge(this.#secrets, token, { origin: cookies.origin, prefix: request.server.prefix, cookie })
    if (parsed.result === 'unknown-key') throw new StoreUnavailableError({ cause: new Error('a challenge token of a secret that is not known here (yet)') })
    if (parsed.result === 'forged') return { pending: null, reason: 'forged' }
    return store.nowMs() < parsed.pending.endsAtMs ? { pending: parsed.pending } : { pending: null, reason: 'expired' }
  }

  async use ({ id, endsAtMs }: PendingChallenge): Promise<boolean> {
    const { store } = this.#parts
    // The name must stay used for as long as the challenge is valid by the clock of any process.
    return await store.useOnce(`challenge:${id}`, Math.max(1, endsAtMs - store.nowMs()) + lifetimeMs)
  }
}
