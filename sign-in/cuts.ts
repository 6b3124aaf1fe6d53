import { seconds } from '../lib/session/record.ts'
import type { Portcullis } from '../plugins/portcullis.ts'

/* "Sign out everywhere" while an authentication is under way: a session that it opens later would begin after the cut, and remain. */

type Parts = Pick<Portcullis, 'store'>

/**
 * Returns the epoch that an authentication which begins now is compared with: the second, or the next one if the subject was cut off within
 * this second. If the subject is not known yet, the next second, so that a sign-in right after a cut succeeds.
 */
export async function epochNow (subject: string | null, parts: Parts): Promise<number> {
  const second = seconds(parts.store.nowMs())
  return subject !== null && !await isCutOff(subject, second, parts) ? second : second + 1
}

/** Returns whether the subject was signed out everywhere after an authentication of this epoch had begun. Queries the store. */
export async function isCutOff (subject: string, epoch: number, { store }: Parts): Promise<boolean> {
  return !await store.isGood({ issuer: null, jti: null, sid: null, subject, epoch })
}
