import { Type } from '@sinclair/typebox'
import { choice, group, text } from './fields.ts'
import { checkCookieName } from './text-checks.ts'

const { Optional } = Type

export const cookies = group({
  /** SameSite of the session cookie and the device cookie; the refresh cookie is always strict. */
  sameSite: Optional(choice(['lax', 'strict'], { description: 'SameSite of the session cookie.', default: 'lax' })),
  /**
   * Base of the names of all cookies. Each deployment on a host needs a different name, because browsers send the cookies of a host to all
   * its ports.
   */
  name: Optional(text(checkCookieName, { description: 'Base of the names of all cookies. Each deployment on a host needs a different name, because browsers send the cookies of a host to all its ports.', default: 'portcullis', expects: 'letters, digits, - and _, at most 64 of them', hard: true }))
}, { description: 'Cookies.', default: {} })
