import type { ServerMetadata } from 'openid-client'
import { canonicalAlgorithm, verificationAlgorithms } from '../../lib/jwt/jws.ts'
import type { CheckedProvider } from './provider-options.ts'
import { fault, note, type Finding } from './finding.ts'

/** Compares the settings of a provider with what its discovery document states. A member that is absent states nothing. */
export function examineMetadata (metadata: Readonly<ServerMetadata>, provider: CheckedProvider): Finding[] {
  const { scopes, acr } = provider
  const stated = (name: string): string[] | null => listIn(metadata[name])
  const responseTypes = stated('response_types_supported')
  const algorithms = stated('id_token_signing_alg_values_supported')
  const unknownScopes = missingIn(stated('scopes_supported'), scopes)
  const unknownStrengths = missingIn(stated('acr_values_supported'), acr?.values ?? [])
  return [
    ...examineClientAuthentication(stated('token_endpoint_auth_methods_supported'), provider),
    ...when(responseTypes !== null && !responseTypes.includes('code'), fault('issuer', 'the provider does not offer the authorization code flow (response_types_supported); name one that does')),
    ...when(algorithms !== null && !algorithms.some(name => (verificationAlgorithms as readonly unknown[]).includes(canonicalAlgorithm(name))), fault('issuer', `the provider signs ID tokens with none of ${verificationAlgorithms.join(', ')}; let it sign with one of these for this client`)),
    ...when(unknownScopes.length > 0, note('scopes', `the provider does not state that it knows ${unknownScopes.join(' ')} (scopes_supported); remove it, or see that it is allowed for the client there`)),
    ...when(acr !== undefined && unknownStrengths.length === acr.values.length, note('acr', 'the provider states none of the values (acr_values_supported), so that it may refuse every user; write one that it states')),
    ...when(metadata['backchannel_logout_supported'] !== true, note('issuer', 'the provider does not state that it sends back-channel logouts, so that a sign-out there may end no session here; allow for it in session.absoluteTimeout')),
    ...when(metadata.end_session_endpoint === undefined, note('issuer', 'the provider has no end_session_endpoint, so that a sign-out here ends no session there'))
  ]
}

function examineClientAuthentication (methods: string[] | null, { privateKey }: CheckedProvider): Finding[] {
  if (methods === null) return []
  const offered = methods.filter(method => /^[a-z_]{1,40}$/.test(method)).join(', ')
  const takesSecrets = methods.includes('client_secret_basic') || methods.includes('client_secret_post')
  return [
    ...when(privateKey !== undefined && !methods.includes('private_key_jwt'), fault('privateKey', `the provider does not take private_key_jwt, but ${offered}; write clientSecret in its place`)),
    ...when(privateKey === undefined && !takesSecrets, fault('clientSecret', `the provider takes no client secret, but ${offered}; write privateKey in its place`))
  ]
}

/** Returns the members that a list lacks; none if it is not stated. */
function missingIn (list: string[] | null, members: readonly string[]): string[] {
  return list === null ? [] : members.filter(member => !list.includes(member))
}

function listIn (value: unknown): string[] | null {
  return Array.isArray(value) ? value.filter(entry => typeof entry === 'string') : null
}

function when (applies: boolean, finding: Finding): Finding[] {
  return applies ? [finding] : []
}
