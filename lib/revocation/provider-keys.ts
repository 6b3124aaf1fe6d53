import type { CredentialClaims } from './entries.ts'
import { tokenKeyOf } from './revocation-keys.ts'

/*
 * Keys of sessions at identity providers, and of logout tokens. A `sid` and a `jti` of a provider have any length and form, so stores keep
 * hashes of them. The logout of a session at a provider is remembered as the revocation of a token whose issuer no token can have, because
 * `iss` is a URL. So the log, the replicas and the reassertion after a failover carry it as they carry every revocation.
 */

function issuerOf (provider: string): string {
  return `oidc ${provider}`
}

/** Returns the key of a session at a provider: that of the revocation by which its logout is remembered, and of the index of its sessions here. */
export function providerSidKeyOf (provider: string, sid: string): string {
  return tokenKeyOf(issuerOf(provider), sid)
}

/** Returns the claims that are revoked if the logout of a session at a provider is remembered. */
export function providerSidClaims (provider: string, sid: string): CredentialClaims {
  return { issuer: issuerOf(provider), jti: sid, sid: null, subject: null, epoch: null }
}

/** Returns the key by which a store remembers that a logout token has cut a subject. */
export function logoutKeyOf (provider: string, jti: string, subject: string): string {
  return tokenKeyOf(JSON.stringify(['logout', provider, subject]), jti)
}
