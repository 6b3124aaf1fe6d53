import { isIP } from 'node:net'
import type { StoredUser } from '../../users/users-file.ts'
import { isLoopback, shareService, type Addresses } from '../../lib/proxy/service-address.ts'
import type { Config, UpstreamConfig } from '../config.ts'
import { warn } from './warnings.ts'

/** Warns about the data that each upstream receives, and about requirements that no caller can meet. */
export function lintUpstreams (config: Config, users: StoredUser[] | null, addresses: Addresses): string[] {
  return config.upstreams.flatMap((upstream, index) => [
    ...lintNeighbours(upstream, index, config, addresses),
    ...lintWorkers(upstream, index, config),
    ...lintTarget(upstream, index),
    ...lintHost(upstream, index, config),
    ...lintDemands(upstream, index, config),
    ...lintScopes(upstream, index, config, users)
  ])
}

function lintNeighbours ({ audience, targets }: UpstreamConfig, index: number, { upstreams }: Config, addresses: Addresses): string[] {
  const first = upstreams.findIndex(other => other.audience === audience)
  return warn([audience !== null && first < index && !shareService(upstreams[first]!.targets, targets, addresses), `upstreams[${index}].audience: is that of upstreams[${first}] too, so a token that one sees is good at the other; give each its own`])
}

/** Warns about an upstream at `/` beside the pages: a service worker that it installs sees every request to the origin. */
function lintWorkers ({ prefix }: UpstreamConfig, index: number, { pages }: Config): string[] {
  return warn([prefix === '/' && pages, `upstreams[${index}].prefix: is / while pages is true, so a service worker that the service installs sees the passwords that people type at /auth/sign-in; give the service a prefix, or an origin apart from the pages, unless it may see them`])
}

function lintTarget ({ targets, forward, authorization }: UpstreamConfig, index: number): string[] {
  const isExposed = targets.map(target => new URL(target)).some(({ protocol, hostname }) => protocol === 'http:' && !isLoopback(hostname))
  if (!isExposed) return []
  return warn(
    [forward === 'mint' || forward === 'pass', `upstreams[${index}].target: is http on another machine, so tokens cross the network in the clear; write https if it can`],
    [forward === 'headers', `upstreams[${index}].target: is http on another machine, so whoever is on the way can write X-Auth headers of their own; write https if it can, or forward: mint`],
    [forward === 'none' && authorization === 'keep', `upstreams[${index}].target: is http on another machine, so the client's Authorization crosses the network in the clear; write https if it can`]
  )
}

/** Warns about an https target that is named by its host and receives another host, which it may not serve. */
function lintHost ({ targets, passHostHeader }: UpstreamConfig, index: number, { origin }: Config): string[] {
  const named = targets.map(target => new URL(target)).some(({ protocol, hostname }) => protocol === 'https:' && isIP(hostname.replace(/^\[|\]$/g, '')) === 0 && !isLoopback(hostname))
  return warn([named && passHostHeader, `upstreams[${index}].passHostHeader: is true, so the service receives ${new URL(origin).host} as Host; write false if it serves its own name alone`])
}

function lintDemands ({ stepUp, websocket, access, audience }: UpstreamConfig, index: number, { session, cors, origin }: Config): string[] {
  return warn(
    [stepUp !== null && stepUp.maxAgeMs >= session.absoluteTimeoutMs, `upstreams[${index}].stepUp.maxAge: is at least session.absoluteTimeout, so no sign-in is ever too old and nothing is demanded; shorten it`],
    [websocket && cors.origins.length > 0 && access !== 'session' && audience !== null, `upstreams[${index}].websocket: is for pages of ${origin} alone; those of cors.origins cannot open one, so give them another way`]
  )
}

/** Warns about a scope that no user, no provider and no issuer can grant, because the upstream then refuses every request. */
function lintScopes ({ scopes, access }: UpstreamConfig, index: number, { identity, issuers, providers }: Config, users: StoredUser[] | null): string[] {
  const stored = identity === null ? [] : users
  // Only the function knows its users. The check of files warns of a file without users.
  if (stored === null || (stored.length === 0 && providers.length === 0)) return []
  const issued = access === 'session' ? [] : issuers.flatMap(issuer => issuer.scopes)
  const granted = providers.flatMap(({ grant }) => grant.flatMap(line => line.scopes))
  const given = new Set([...stored.flatMap(user => user.scopes ?? []), ...granted, ...issued])
  const givers = providers.length === 0 ? 'no user and no issuer may give' : 'no user, no grant of a provider and no issuer may give'
  const remedy = [...identity === null ? [] : ['portcullis users add <name> --scopes'], ...providers.length === 0 ? [] : ['a line of grant']].join(', or ')
  return scopes.filter(scope => !given.has(scope)).map(scope => `upstreams[${index}].scopes: ${givers} ${scope}, so everybody is refused; give it with: ${remedy}`)
}
