import type { FastifyReply } from 'fastify'
import { beginProblem } from '../../plugins/errors.ts'
import type { PendingChallenge } from '../../lib/session/challenge-token.ts'
import { findChallenge, type Answer } from '../../sign-in/second-factor.ts'
import type { Pages } from './page.ts'
import { challengeLabel } from './words.ts'

/* The page that asks for the second factor. */

/** Form of a page that a second factor continues. */
export interface Continued {
  /** Address of the form; null for that of the page itself, with its fragment. */
  action: string | null
  /** Hidden fields of the form. */
  fields: Record<string, string>
  /** Address at which the user can start again. */
  restart: string
}

interface SecondFactorError { code?: string, members?: { challenge: string, challenge_token: string } }

export function asksForSecondFactor (error: unknown): boolean {
  return (error as SecondFactorError).code === 'PTC_ERR_SECOND_FACTOR_REQUIRED'
}

/** Shows the form for the response to a challenge that was just issued. */
export async function showSecondFactor (error: unknown, reply: FastifyReply, continued: Continued, pages: Pages): Promise<FastifyReply> {
  const { challenge, challenge_token: token } = (error as Required<SecondFactorError>).members
  beginProblem(error, reply.request, reply)
  return await pages.show(reply, 'second-factor', { title: 'One more step', refusal: null, ...formOf(challenge, token, continued) })
}

/**
 * Shows the form again with the reason why an answer was refused, if its challenge continues. Returns null if the user must start again.
 * Rethrows other errors.
 */
export async function showAnswerRefusal (error: unknown, reply: FastifyReply, { challenge_token: token }: Answer, continued: Continued & { isFor: (pending: PendingChallenge) => boolean }, pages: Pages): Promise<FastifyReply | null> {
  const isUnknown = (error as SecondFactorError).code === 'PTC_ERR_STORE_UNAVAILABLE'
  const pending = isUnknown ? null : findChallenge(reply.request, { challenge_token: token }, { ...pages, isFor: continued.isFor }).pending
  if (pending === null && !isUnknown) return null
  return await pages.showRefusal(error, reply, 'second-factor', formOf(pending?.challenge ?? '', token, continued), 'code')
}

function formOf (challenge: string, token: string, { action, fields, restart }: Continued): { label: string, action: string | null, restart: string, fields: Record<string, string> } {
  return { label: challengeLabel(challenge), action, restart, fields: { ...fields, challenge_token: token } }
}
