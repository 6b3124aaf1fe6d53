import type { FastifyError } from 'fastify'
import { waiting } from './instants.ts'

/** The texts of the gateway's errors on its pages. */

const codeOf = (error: unknown): string => (error as FastifyError).code ?? ''

/** Returns whether the error redirects to the sign-in page. */
export function needsSignIn (error: unknown): boolean {
  return ['PTC_ERR_CREDENTIALS_MISSING', 'PTC_ERR_SESSION_INVALID', 'PTC_ERR_REFRESH_REFUSED'].includes(codeOf(error))
}

/** Returns whether the user can retry the same form after the error. */
export function isRefusal (error: unknown): boolean {
  return ['PTC_ERR_LOGIN_REFUSED', 'PTC_ERR_RATE_LIMITED', 'PTC_ERR_STORE_UNAVAILABLE'].includes(codeOf(error))
}

/** What a refused form has asked for. `restarted`: a second factor whose challenge is over, so that the first form is shown again. */
export type Asked = 'name' | 'password' | 'code' | 'restarted'

const wrong: Record<Asked, string> = {
  name: 'The username or the password is wrong.',
  password: 'The password is wrong.',
  code: 'The code is wrong.',
  restarted: 'That took too long, or it was done already. Start again.'
}

/** Returns the text of a refusal; an unknown user and a wrong password share one text. */
export function explainRefusal (code: string, asked: Asked, retryAfterSeconds: number): string {
  switch (code) {
    case 'PTC_ERR_RATE_LIMITED': return `Too many attempts. Try again in ${waiting(retryAfterSeconds)}.`
    case 'PTC_ERR_STORE_UNAVAILABLE': return `This is not possible right now. It is not your ${asked === 'code' ? 'code' : 'password'}: try again in a moment.`
    default: return wrong[asked]
  }
}

/** Returns the label of the field for the response to a challenge (methods of RFC 8176). */
export function challengeLabel (challenge: string): string {
  switch (challenge) {
    case 'otp': return 'One-time code'
    case 'sms': return 'Code from the text message'
    case 'tel': return 'Code from the call'
    default: return 'Code'
  }
}

/** Returns the texts of an error. `detail` of an error of the application is meant for the user (`expose`). */
export function explainProblem ({ code, status, detail }: { code: string, status: number, detail?: string }, retryAfterSeconds: number): { title: string, text: string } {
  switch (code) {
    case 'PTC_ERR_CSRF_REFUSED': return { title: 'This came from another site', text: 'For your safety nothing was done. Start again from here.' }
    case 'PTC_ERR_COOKIE_DUPLICATE': return { title: 'Your browser sent a cookie twice', text: 'Delete the cookies of this site in your browser, then sign in again.' }
    case 'PTC_ERR_RATE_LIMITED': return { title: 'Too many attempts', text: `Try again in ${waiting(retryAfterSeconds)}.` }
    case 'PTC_ERR_STORE_UNAVAILABLE': return { title: 'Not possible right now', text: 'Nothing was changed, and existing sessions continue. Try again in a moment.' }
    default: return status >= 500
      ? { title: 'Something went wrong', text: 'It is not your fault. Try again in a moment.' }
      : { title: 'That did not work', text: detail === undefined || code.startsWith('PTC_ERR_') ? 'This page cannot do anything with what your browser sent. Start again from here.' : detail }
  }
}
