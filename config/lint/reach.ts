import { isLoopback } from '../../lib/proxy/service-address.ts'
import type { Config } from '../config.ts'
import { findWeakToken } from '../../lib/settings/secret-checks.ts'
import { warn } from './warnings.ts'

/** Warns about listeners, trusted proxies, and other origins and issuers. */
export function lintReach (config: Config): string[] {
  return [...lintOrigin(config), ...lintProxies(config), ...lintOperators(config), ...lintOthers(config)]
}

function lintOrigin ({ origin, secure, listen }: Config): string[] {
  const { port } = new URL(origin)
  const isProxied = listen.trustProxy.length > 0
  return warn(
    [!secure, 'origin: is http, so cookies go without Secure and prefix; for development alone'],
    [!secure && !isLoopback(listen.host), `listen.host: ${listen.host} is reached from other machines, but an http origin is for this one alone; write host: localhost, or origin: https://…`],
    [!secure && isProxied, 'listen.trustProxy: names a proxy, but origin is http on this machine; write the https origin that browsers see'],
    [!secure && listen.tls !== null, 'listen.tls: is set, but browsers would have to come to an http origin; write origin: https://…'],
    [!secure && listen.tls === null && listen.port !== 0 && Number(port || 80) !== listen.port, `origin: is at another port than listen.port (${listen.port}), so what browsers send from there counts as another site's; write the same port`],
    [secure && !isProxied && listen.tls === null, 'listen.trustProxy: is empty, so behind a proxy that terminates TLS every client has the proxy\'s address; name the proxy']
  )
}

/** Warns about blocks that are wider than the private networks 10.0.0.0/8 and fc00::/7. */
function lintProxies ({ listen: { trustProxy } }: Config): string[] {
  return trustProxy.flatMap((block, index) => {
    const [address = '', bits = ''] = block.split('/')
    const isWide = bits !== '' && Number(bits) < (address.includes(':') ? 7 : 8)
    return warn([isWide, `listen.trustProxy[${index}]: is wider than any network of one's own, so strangers in it can say that they are somebody else; name the proxies alone`])
  })
}

function lintOperators ({ admin }: Config): string[] {
  if (admin === null) return []
  const weakness = findWeakToken(admin.token)
  return warn(
    [!isLoopback(admin.host), 'admin.host: is not this machine alone, so whoever reaches the port reads health and metrics, and the token crosses the network in the clear; see that only operators reach it'],
    [weakness !== null, `admin.token: ${weakness}`]
  )
}

function lintOthers ({ secure, cors, issuers, upstreams }: Config): string[] {
  const takesTokens = upstreams.some(({ access, audience, authorization }) => access === 'any' || access === 'token' || (access === 'public' && audience !== null && authorization === 'strip'))
  const development = secure ? cors.origins.findIndex(origin => origin.startsWith('http:')) : -1
  return warn(
    [development >= 0, `cors.origins[${development}]: is http on the machine of whoever comes, so any program there can use their tokens; remove it in production`],
    [cors.origins.length > 0 && !takesTokens, 'cors.origins: is set, but no upstream takes an access token, and cookies are never for other origins; remove it, or write access: any or token'],
    [issuers.length > 0 && !takesTokens, 'issuers: are set, but no upstream takes an access token; remove them, or write access: any or token']
  )
}
