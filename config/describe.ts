import { driverOf } from '../stores/drivers.ts'
import type { Config, IssuerConfig, ProviderConfig, UpstreamConfig } from './config.ts'
import { providerAddresses } from './identity.ts'

/** A titled block of lines. A row whose value is null is left out. */
interface Block {
  title: string
  rows: Array<[name: string, value: string | null]>
}

/** Describes a checked configuration in lines, without its secrets: the gateway, the issuers, and each upstream. */
export function describeConfig (config: Config): string[] {
  const { issuers, providers, upstreams } = config
  const blocks = [describeGateway(config), ...providers.map(provider => describeProvider(provider, config)), ...issuers.map(describeIssuer), ...upstreams.map(describeUpstream)]
  return [...blocks.flatMap(format), ...upstreams.length === 0 ? ['no upstreams'] : []]
}

/** Formats a block with the names in one column and the values in the next. */
function format ({ title, rows }: Block): string[] {
  return [title, ...rows.flatMap(([name, value]) => value === null ? [] : [`  ${name.padEnd(13)}  ${value}`])]
}

function describeGateway ({ origin, listen, admin, store, session, accessToken, identity, cors, pages }: Config): Block {
  return {
    title: origin,
    rows: [
      ['listens on', `${listen.host}:${listen.port}${listen.tls === null ? '' : ' with TLS'}`],
      ['proxies', listen.trustProxy.length === 0 ? null : listen.trustProxy.join(' ')],
      ['admin', admin === null ? null : `${admin.host}:${admin.port}`],
      ...driverOf(store).describe(store),
      ['users', identity === null ? null : typeof identity === 'function' ? 'a function' : identity.file],
      ['sessions', `${say(session.idleTimeoutMs)} idle, ${say(session.absoluteTimeoutMs)} in all`],
      ['devices', session.deviceBound === null ? null : `bind sessions where browsers can, by a cookie of ${say(session.deviceBound.cookieTtlMs)}`],
      ['access tokens', say(accessToken.ttlMs)],
      ['pages', pages ? '/auth/sign-in /auth/account' : null],
      ['other origins', cors.origins.length === 0 ? null : cors.origins.join(' ')]
    ]
  }
}

/** The addresses are what the provider has to know. */
function describeProvider ({ name, issuer, clientId, clientSecret, claims, grant, allow }: ProviderConfig, config: Config): Block {
  const { redirectUri, logoutUri, postLogoutUri } = providerAddresses(name, config)
  const granted = grant.map(({ claim, value, scopes }) => `${scopes.join(' ')}${claim === null ? '' : ` (${claim} ${value})`}`)
  return {
    title: `${name} → ${issuer}`,
    rows: [
      ['client', `${clientId}, with ${clientSecret === null ? 'a private key' : 'a secret'}`],
      ['redirect', redirectUri],
      ['logout', logoutUri],
      ['after logout', postLogoutUri],
      ['allows', allow === null ? 'everyone' : `${allow.claim} ${allow.value}`],
      ['scopes', granted.length === 0 ? 'none' : granted.join(', ')],
      ['keeps', claims.length === 0 ? null : claims.join(' ')]
    ]
  }
}

function describeIssuer ({ name, issuer, keys, algorithms, scopes, maxTokenAgeMs, typ }: IssuerConfig): Block {
  return {
    title: `${name} → ${issuer}`,
    rows: [
      ['keys', 'file' in keys ? keys.file : `of ${new URL(keys.url).host}`],
      ['tokens', `${algorithms.join(' ')}, at most ${say(maxTokenAgeMs)} old${typ === 'any' ? ', of any typ' : ''}`],
      ['scopes', scopes.length === 0 ? 'none' : scopes.join(' ')]
    ]
  }
}

function describeUpstream (upstream: UpstreamConfig): Block {
  const { prefix, targets, rewritePrefix, audience, scopes, stepUp, forward, authorization, consistency, rateLimit, websocket, paths, passHostHeader, redirects, health } = upstream
  return {
    title: `${prefix} → ${targets.map(target => target + (rewritePrefix === prefix ? '' : rewritePrefix)).join(', ')}`,
    rows: [
      ['accepts', `${accepted(upstream)}${websocket ? '; WebSockets too' : ''}`],
      ['audience', audience],
      ['scopes', scopes.length === 0 ? null : scopes.join(' ')],
      ['step-up', stepUp === null ? null : `after ${say(stepUp.maxAgeMs)} for ${stepUp.methods?.join(' ') ?? 'every method'}`],
      ['revocation', consistency === 'strict' ? 'always asks the store' : null],
      ['rate limit', rateLimit === null ? null : `${rateLimit.max} requests in ${say(rateLimit.windowMs)}`],
      ['forwards', `${forwarded[forward]}${authorization === 'keep' ? ' and the client\'s Authorization' : ''}`],
      ['claims', upstream.claims === null ? null : Object.entries(upstream.claims).map(([claim, header]) => forward === 'headers' ? `${claim} as ${header}` : claim).join(', ')],
      ['Host', passHostHeader ? null : 'that of the target'],
      ['paths', paths === 'transparent' ? 'byte for byte' : null],
      ['redirects', redirects === 'keep' ? 'as the service writes them' : null],
      ['health', health === null ? null : `GET ${health.path} at each target every ${say(health.intervalMs)}`]
    ]
  }
}

const forwarded = { mint: 'a minted token', pass: 'the client\'s token', headers: 'identity headers', none: 'no identity' }

function accepted ({ access, audience, authorization }: UpstreamConfig): string {
  switch (access) {
    case 'any': return 'session cookie or access token'
    case 'session': return 'session cookie'
    case 'token': return 'access token'
    case 'public': return audience === null || authorization === 'keep' ? 'everyone, and looks at the session cookie' : 'everyone, and looks at session cookie and access token'
  }
}

function say (durationMs: number): string {
  for (const [unit, ms] of [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000]] as const) {
    if (durationMs >= ms && durationMs % ms === 0) return `${durationMs / ms}${unit}`
  }
  return `${durationMs}ms`
}
