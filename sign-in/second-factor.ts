import { Type, type Static } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LoginRefusedError, SecondFactorRequiredError } from '../lib/errors.ts'
import { publish, sourceOf } from '../lib/events.ts'
import { isClaimText } from '../lib/revocation/revocable-claims.ts'
import { longestChallengeToken, type ChallengeUse, type PendingChallenge } from '../lib/session/challenge-token.ts'
import type { Portcullis } from '../plugins/portcullis.ts'
import type { SecondFactorDemand } from '../users/password-source.ts'
import type { Authenticated, Way } from './way.ts'

/* The second factor of a sign-in or a step-up: the challenge, and the verification of the response to it. */

/** The members that a client posts to answer a challenge. */
export const Answer = Type.Object({
  challenge_token: Type.String({ minLength: 1, maxLength: longestChallengeToken, errorMessage: 'must be the challenge_token of the response that asked for a second factor' }),
  response: Type.String({ minLength: 1, maxLength: 4096, errorMessage: 'must be a text of 1 to 4096 characters' })
}, { additionalProperties: false })

export type Answer = Static<typeof Answer>

export function isAnswer (posted: object): posted is Answer {
  return 'challenge_token' in posted
}

const longestState = 2048

export interface ChallengeOptions extends Pick<PendingChallenge, 'for' | 'account'> {
  way: Way
  /** The subject, if it is known already. */
  subject: string | null
  portcullis: Portcullis
}

/**
 * Issues a challenge for a user whose first factor was right. Returns the error that asks for the second one. Throws TypeError for a demand
 * that the application has made in the wrong form.
 */
export function createChallenge (reply: FastifyReply, demand: SecondFactorDemand, { way, for: use, account, subject, portcullis }: ChallengeOptions): Error {
  const { challenge, state } = demand
  if (way.answer === null) throw new TypeError('identity.verify has asked for a second factor, but identity has no method verifyChallenge')
  if (typeof challenge !== 'string' || !/^[a-z0-9][a-z0-9._-]{0,31}$/i.test(challenge)) throw new TypeError('challenge of identity.verify must be the name of a method such as otp: up to 32 letters, digits and . _ -')
  const stateBytes = Buffer.byteLength(JSON.stringify(state) ?? 'x'.repeat(longestState + 1))
  if (stateBytes > longestState) throw new TypeError(`state of identity.verify must be a JSON value of at most ${longestState} bytes`)
  const token = portcullis.secondFactor.issue(reply, { for: use, way: way.name, account, subject, challenge, state })
  publish({ event: 'second_factor.required', ...subjectOf(subject), ...sidOf(use), ...sourceOf(reply.request), outcome: use.use }, portcullis)
  return Object.assign(new SecondFactorRequiredError(), { members: { challenge, challenge_token: token } })
}

/** Reason why an answer is refused, for events. */
type Refusal = 'forged' | 'expired' | 'misplaced' | 'response' | 'subject' | 'used'

export interface AnswerOptions {
  ways: readonly Way[]
  /** Returns whether the challenge was issued for this request's purpose. */
  isFor: (pending: PendingChallenge) => boolean
  /** Returns whether the subject that both factors authenticate is the right one. */
  isRight: (authenticated: Authenticated, pending: PendingChallenge) => boolean | Promise<boolean>
  /** Counts the attempt for an account; null if the challenge names none. */
  count: (account: PendingChallenge | null, verify: () => Promise<Authenticated | null>) => Promise<Authenticated | null>
  portcullis: Portcullis
}

/**
 * Verifies an answer, and uses its challenge up. Throws LoginRefusedError, one for all reasons, if there is no such challenge for this client,
 * or the response is wrong. A wrong response leaves the challenge as it is, and uses up the budget of the account.
 */
export async function verifyAnswer (request: FastifyRequest, answer: Answer, options: AnswerOptions): Promise<{ authenticated: Authenticated, pending: PendingChallenge }> {
  const { count, portcullis } = options
  const opened = findChallenge(request, answer, options)
  let refusal = opened.refusal
  const { pending } = opened
  const authenticated = await count(pending, async () => {
    const verified = pending === null ? null : await verifyResponse(pending, answer.response, options)
    if (typeof verified !== 'string') return verified
    refusal = verified
    return null
  })
  if (pending !== null && authenticated !== null) return { authenticated, pending }
  publish({ event: 'second_factor.refused', ...subjectOf(pending?.subject), ...sidOf(pending?.for), ...sourceOf(request), outcome: refusal }, portcullis)
  throw Object.assign(new LoginRefusedError({ cause: new Error(`second factor: ${refusal}`) }), { detail: 'the response to the challenge is wrong, or the challenge is over' })
}

/** Finds the challenge of the client that sends the request. */
export function findChallenge (request: FastifyRequest, { challenge_token: token }: Pick<Answer, 'challenge_token'>, { ways, isFor, portcullis }: Pick<AnswerOptions, 'ways' | 'isFor' | 'portcullis'>): { pending: PendingChallenge | null, refusal: Refusal } {
  const opened = portcullis.secondFactor.open(request, token)
  if (opened.pending === null) return { pending: null, refusal: opened.reason }
  const isPlaced = isFor(opened.pending) && wayOf(opened.pending, ways) !== undefined
  return { pending: isPlaced ? opened.pending : null, refusal: 'misplaced' }
}

async function verifyResponse (pending: PendingChallenge, response: string, { ways, isRight, portcullis }: AnswerOptions): Promise<Authenticated | Refusal> {
  const authenticated = await wayOf(pending, ways)!.answer!(pending, response)
  if (authenticated === null || !isClaimText(authenticated.subject)) return 'response'
  const isOfSubject = pending.subject === null || pending.subject === authenticated.subject
  if (!isOfSubject || !await isRight(authenticated, pending)) return 'subject'
  // Last, because a wrong response must not use the challenge up. Of several requests with the right one, the store admits exactly one.
  return await portcullis.secondFactor.use(pending) ? authenticated : 'used'
}

function wayOf (pending: PendingChallenge, ways: readonly Way[]): Way | undefined {
  return ways.find(({ name, answer }) => name === pending.way && answer !== null)
}

function subjectOf (subject: string | null | undefined): { subject?: string } {
  return subject == null ? {} : { subject }
}

function sidOf (use: ChallengeUse | undefined): { sid?: string } {
  return use?.use === 'step-up' ? { sid: use.sid } : {}
}
