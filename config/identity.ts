import type { Problem } from './problems.ts'
import type { Settings } from './schema.ts'

/* The sources of users, of which a configuration has one or a list. */

export type Source = Exclude<Settings['identity'], readonly unknown[]>
type Provider = Extract<Source, { type: 'oidc' }>

/** Returns the sources of users, in their order. */
export function sourcesOf (identity: Settings['identity']): Source[] {
  return Array.isArray(identity) ? identity : [identity as Source]
}

/** Returns the name of the setting of a source. */
export function sourceSetting (identity: Settings['identity'], index: number): string {
  return Array.isArray(identity) ? `identity[${index}]` : 'identity'
}

function isProvider (source: Source): source is Provider {
  return typeof source === 'object' && source !== null && source.type === 'oidc'
}

/** Returns the addresses of the gateway that a provider has to know. */
export function providerAddresses (name: string, { origin, pages }: { origin: string, pages: boolean }): { redirectUri: string, logoutUri: string, postLogoutUri: string } {
  return {
    redirectUri: `${origin}/auth/callback/${name}`,
    logoutUri: `${origin}/auth/backchannel-logout/${name}`,
    postLogoutUri: `${origin}${pages ? '/auth/sign-in?signed_out' : '/'}`
  }
}

/** Finds contradictions between the sources of users, and between one of them and the issuers. */
export function checkIdentity ({ identity, issuers }: Pick<Settings, 'identity' | 'issuers'>): Problem[] {
  const sources = sourcesOf(identity)
  const settingOf = (index: number): string => sourceSetting(identity, index)
  const passwords = sources.findIndex(source => !isProvider(source))
  return sources.flatMap((source, index) => {
    if (!isProvider(source)) return index === passwords ? [] : [{ setting: settingOf(index), text: 'is a second source of passwords; keep one file of users or function' }]
    const sameName = sources.findIndex(other => isProvider(other) && other.name === source.name)
    const sameIssuer = issuers.findIndex(({ name }) => name === source.name)
    const problems = checkProvider(source)
    if (sameName < index) problems.push({ setting: 'name', text: `is that of ${settingOf(sameName)} too, so two people could be one subject; choose another` })
    const sameClient = sources.findIndex(other => isProvider(other) && other.issuer === source.issuer && other.clientId === source.clientId)
    if (sameClient < index) problems.push({ setting: 'clientId', text: `is that of ${settingOf(sameClient)} at the same issuer too, which sends a logout to one of the two alone; register a client for each, or remove one` })
    if (sameIssuer >= 0) problems.push({ setting: 'name', text: `is that of issuers[${sameIssuer}] too, so two people could be one subject; choose another` })
    return problems.map(({ setting, text }) => ({ setting: `${settingOf(index)}.${setting}`, text }))
  })
}

function checkProvider ({ clientSecret, privateKey, scopes, grant }: Provider): Problem[] {
  const problems: Problem[] = []
  if (clientSecret === undefined && privateKey === undefined) problems.push({ setting: 'clientSecret', text: 'is required, or privateKey; register the gateway as a confidential client, and add the secret that the provider shows' })
  if (clientSecret !== undefined && privateKey !== undefined) problems.push({ setting: 'privateKey', text: 'cannot be set together with clientSecret; remove one of them' })
  if (!scopes.includes('openid')) problems.push({ setting: 'scopes', text: 'must contain openid, or the provider states no identity; add it' })
  for (const [index, { claim, value }] of grant.entries()) {
    if (claim !== undefined && value === undefined) problems.push({ setting: `grant[${index}].value`, text: 'is required with claim; add it, or remove claim' })
    if (claim === undefined && value !== undefined) problems.push({ setting: `grant[${index}].claim`, text: 'is required with value; add it, or remove value' })
  }
  return problems
}
