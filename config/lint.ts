import type { Config, UpstreamConfig } from './config.ts'

/** What is allowed but worth a second look, one line each. */
export function lintConfig (config: Config): string[] {
  const { secure, listen, admin, store, refreshToken, revocation } = config
  const warnings: string[] = []
  if (!secure) warnings.push('origin: is http, so cookies go without Secure and prefix; for development alone')
  if (secure && listen.trustProxy.length === 0 && listen.tls === null) warnings.push('listen.trustProxy: is empty, so behind a proxy that terminates TLS every client has the proxy\'s address; name the proxy')
  if (!secure && listen.tls !== null) warnings.push('listen.tls: is set, but browsers would have to come to an http origin; write origin: https://…')
  if (admin !== null && !/^(localhost|127\..*|::1)$/.test(admin.host)) warnings.push('admin.host: is not this machine alone, so whoever reaches the port reads health and metrics, and the token crosses the network in the clear; see that only operators reach it')
  if (store.type === 'sqlite' && store.path === ':memory:') warnings.push('store.path: is :memory:, so a restart signs everyone out and forgets every revocation')
  if (revocation.staleForMs > 0) warnings.push('revocation.staleFor: is above 0s, so without the store what was revoked elsewhere is still served that long')
  if (refreshToken.overlapMs === 0 && refreshToken.retryWindowMs === 0) {
    warnings.push('refreshToken: both windows are 0s, so a lost answer or two tabs at once sign an honest user out')
  }
  return [...warnings, ...lintUpstreams(config)]
}

function lintUpstreams ({ upstreams }: Config): string[] {
  return upstreams.flatMap((upstream, index) => {
    const { audience, target, forward } = upstream
    const warnings: string[] = []
    const first = upstreams.findIndex(other => other.audience === audience)
    if (audience !== null && first < index && upstreams[first]!.target !== target) {
      warnings.push(`upstreams[${index}].audience: is that of upstreams[${first}] too, so a token that one sees is good at the other`)
    }
    const opened = upstreams.findIndex(other => isOpenedBy(upstream, other))
    if (opened !== -1) warnings.push(`upstreams[${index}].rewritePrefix: leads everyone to what upstreams[${opened}] demands a credential for; rewrite to a narrower path`)
    const { protocol, hostname } = new URL(target)
    if (protocol === 'http:' && !/^(localhost|127\..*|\[::1\])$/.test(hostname) && (forward === 'mint' || forward === 'pass')) {
      warnings.push(`upstreams[${index}].target: is http on another machine, so tokens cross the network in the clear; write https if it can`)
    }
    return warnings
  })
}

/** Whether a public upstream sends paths of its own to where another one of the same target lets nobody in without a credential. */
function isOpenedBy ({ prefix, target, rewritePrefix, access }: UpstreamConfig, other: UpstreamConfig): boolean {
  if (access !== 'public' || other.access === 'public' || other.target !== target || !isInside(other.rewritePrefix, rewritePrefix)) return false
  const reached = (prefix + other.rewritePrefix.slice(rewritePrefix.length - (rewritePrefix === '/' ? 1 : 0))).replace('//', '/')
  return !isInside(reached, other.prefix)
}

function isInside (path: string, prefix: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`)
}
