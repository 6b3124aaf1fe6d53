import { createBoundedFetch } from './bounded-fetch.ts'
import { reasonOf } from './failures.ts'

/** Resolves to why the configuration of a provider cannot be read, with the remedy. */
export async function explainDiscovery (error: unknown, issuer: string): Promise<string> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const reason = reasonOf(error)
  const stated = reason === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED' ? await readIssuer(address) : null
  if (stated !== null) return `the document at ${address} states the issuer ${stated}; write exactly this, if it is the right provider`
  return `the configuration at ${address} cannot be used (${reason}); ${remedyOf(reason)}`
}

function remedyOf (reason: string): string {
  if (/^(?:ENOTFOUND|EAI_AGAIN)$/.test(reason)) return 'see that the host is right, and that this machine can resolve it'
  if (/^ECONNREFUSED$/.test(reason)) return 'see that the provider runs, and that the port is right'
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(reason)) return 'if its authority is your own, name it in NODE_EXTRA_CA_CERTS'
  if (/^status 3\d\d$/.test(reason)) return 'redirects are not followed; write the issuer to which it leads'
  if (/^status 4\d\d$/.test(reason)) return 'write the issuer exactly as the provider states it'
  return 'see that the address is that of an OpenID provider, and that this machine reaches it'
}

/** Resolves to the issuer that a discovery document states; null if it is no address. */
async function readIssuer (address: string): Promise<string | null> {
  try {
    const response = await createBoundedFetch({ isLocal: address.startsWith('http:'), signal: new AbortController().signal })(address)
    const { issuer } = await response.json() as { issuer?: unknown }
    return typeof issuer === 'string' && /^https?:[\x21-\x7e]{1,500}$/.test(issuer) ? issuer : null
  } catch {
    return null
  }
}
