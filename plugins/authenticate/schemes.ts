import type { Identity } from '../../lib/identity.ts'
import type { Access } from '../../lib/settings/upstream.ts'
import type { Portcullis } from '../portcullis.ts'
import type { Scheme, SchemeVerifier } from './scheme.ts'
import { accessToken } from './schemes/access-token.ts'
import { sessionCookie } from './schemes/session-cookie.ts'

/** Every kind of credential, in the order in which a request is searched for them. A request may carry only one of them. */
export const schemes: readonly Scheme[] = [sessionCookie, accessToken]

/** Creates the verifiers of a scope, in the order of the schemes. */
export function createVerifiers (parts: Portcullis): SchemeVerifier[] {
  return schemes.flatMap(scheme => scheme.create(parts) ?? [])
}

/** Returns the plugins whose credentials a value of `access` stands for. */
export function pluginsFor (access: Access): string {
  return schemes.filter(({ accesses }) => accesses.includes(access)).map(({ plugin }) => plugin).join(' or ')
}

/** Returns whether browsers add credentials of this name to requests automatically; false without a credential. */
export function isAmbient (name: Identity['credential'] | undefined): boolean {
  for (const scheme of schemes) if (scheme.name === name) return scheme.isAmbient
  return false
}

/** Returns the scheme that verified an identity. */
export function schemeOf ({ credential }: Pick<Identity, 'credential'>): Scheme {
  for (const scheme of schemes) if (scheme.name === credential) return scheme
  throw new TypeError(`no scheme is called ${credential}`)
}
