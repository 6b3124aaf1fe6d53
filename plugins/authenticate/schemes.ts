import type { Identity } from '../../lib/principal.ts'
import type { Portcullis } from '../portcullis.ts'
import type { Scheme, SchemeVerifier } from './scheme.ts'
import { accessToken } from './schemes/access-token.ts'
import { sessionCookie } from './schemes/session-cookie.ts'

/** Every kind of credential, in the order in which a request is searched for them. A request may carry one of them. */
export const schemes: readonly Scheme[] = [sessionCookie, accessToken]

/** The schemes at work in a scope, in their order. */
export function createVerifiers (parts: Portcullis): SchemeVerifier[] {
  return schemes.flatMap(scheme => scheme.create(parts) ?? [])
}

/** Whether browsers add credentials of this name to requests by themselves; not where there is no credential. */
export function isAmbient (name: Identity['credential'] | undefined): boolean {
  for (const scheme of schemes) if (scheme.name === name) return scheme.isAmbient
  return false
}

/** The scheme that an identity was verified by. */
export function schemeOf ({ credential }: Pick<Identity, 'credential'>): Scheme {
  for (const scheme of schemes) if (scheme.name === credential) return scheme
  throw new TypeError(`no scheme is called ${credential}`)
}
