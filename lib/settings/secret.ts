import { Type } from '@sinclair/typebox'
import { list, reference, text } from './fields.ts'
import { checkSecret } from './secret-checks.ts'

const oneSecret = text(checkSecret, { description: 'At least 32 random bytes, base64url.', expects: 'a string of base64url, or a list of them' })

export const secret = Type.Union([oneSecret, list(oneSecret, { description: 'While it is changed: the first one issues.', minItems: 1, maxItems: 8, uniqueItems: true })], {
  description: 'Seals the signing keys; the key of refresh tokens is derived from it. Required with redis; with sqlite, the gateway creates a missing secret beside the database (mode 0600). Secret.',
  expects: 'a string of base64url, or a list of them',
  example: reference('PORTCULLIS_SECRET')
})

/** Option of the plugins that derive keys from a secret. */
export const secretOption = Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], { errorMessage: 'must be a base64url text, or a list of them' })
