import type { Config, IssuerConfig, UpstreamConfig } from './config.ts'

/** What a checked configuration means, line by line and without a secret: what each upstream accepts and is told. */
export function describeConfig (config: Config): string[] {
  const { origin, admin, store, session, accessToken, issuers, upstreams } = config
  return [
    `origin ${origin}, store ${store.type}, sessions ${say(session.idleTimeoutMs)} idle and ${say(session.absoluteTimeoutMs)} in all, access tokens ${say(accessToken.ttlMs)}`,
    ...admin === null ? [] : [`admin on ${admin.host}:${admin.port}`],
    ...issuers.map(describeIssuer),
    ...upstreams.length === 0 ? ['no upstreams'] : upstreams.map(describeUpstream)
  ]
}

function describeIssuer ({ name, issuer, keys, algorithms, scopes, maxTokenAgeMs, typ }: IssuerConfig): string {
  const type = typ === 'any' ? ', of any typ' : ''
  return `${name} → ${issuer}, keys from ${'file' in keys ? keys.file : new URL(keys.url).host}, ${algorithms.join(' ')}, ${scopes.length === 0 ? 'no scopes' : `scopes ${scopes.join(' ')}`}, tokens at most ${say(maxTokenAgeMs)} old${type}`
}

function describeUpstream (upstream: UpstreamConfig): string {
  const { prefix, target, rewritePrefix, audience, scopes, stepUp, forward, authorization, consistency, rateLimit } = upstream
  const parts = [
    `${prefix} → ${target}${rewritePrefix === prefix ? '' : rewritePrefix}`,
    audience === null ? 'no audience' : `audience ${audience}`,
    `accepts ${accepted(upstream)}`
  ]
  if (scopes.length > 0) parts.push(`scopes ${scopes.join(' ')}`)
  if (stepUp !== null) parts.push(`step-up after ${say(stepUp.maxAgeMs)} for ${stepUp.methods?.join(' ') ?? 'every method'}`)
  if (consistency === 'strict') parts.push('always asks the store')
  if (rateLimit !== null) parts.push(`at most ${rateLimit.max} requests in ${say(rateLimit.windowMs)}`)
  parts.push(`forwards ${forwarded[forward]}`)
  if (authorization === 'keep') parts.push('keeps the client\'s Authorization')
  if (upstream.websocket) parts.push('takes WebSockets')
  return parts.join(', ')
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
