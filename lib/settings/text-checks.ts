import { METHODS } from 'node:http'
import { isIP, isIPv6 } from 'node:net'
import { isAddressBlock, isEveryAddress, isMappedAddress } from '../http/trusted-peers.ts'
import { nearest } from '../suggest.ts'
import { cookieNamePattern } from '../http/own-cookies.ts'
import type { TextCheck } from './fields.ts'

/*
 * Checks of texts. None of them repeats the text that it checks, which may be or contain a secret.
 */

const loopback = ['localhost', '127.0.0.1']

/** Checks the origin that browsers see: https, or http on this machine. */
export const checkOrigin: TextCheck = text => {
  const url = URL.parse(text)
  if (url === null) return 'must be an address; write for example https://app.example.com'
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback.includes(url.hostname))) {
    return 'must be https, because cookies are safe there alone; write https://…, or http://localhost or http://127.0.0.1 for development'
  }
  if (url.hostname.includes('*')) return 'must name one host; remove the wildcard'
  return partsBesideOrigin(url) ?? null
}

/** Checks the origin of another application. */
export const checkOtherOrigin: TextCheck = text => {
  if (text === '*') return 'must not be everyone; name each origin, for example https://spa.example.com'
  if (text === 'null') return 'must not be null, which is every sandboxed page; name the origin, for example https://spa.example.com'
  return checkOrigin(text)?.replace('because cookies are safe there alone', 'because anyone on the way could use its tokens otherwise') ?? null
}

/** Checks the part of the cookie names that distinguishes deployments. */
export const checkCookieName: TextCheck = text => {
  return cookieNamePattern.test(text) ? null : 'must be letters, digits, - and _, at most 64 of them, without a prefix such as __Host- or Http- (another deployment may have the same name with it) and not ending as the name of another cookie does, such as -refresh or -device; write for example orders'
}

/** Checks the address where an upstream listens. */
export const checkTarget: TextCheck = text => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return 'must be an http or https address; write for example http://127.0.0.1:3001'
  if (url.pathname !== '/') return 'must not have a path; move the path to rewritePrefix'
  return partsBesideOrigin(url)
}

function partsBesideOrigin (url: URL): string | null {
  if (url.username !== '' || url.password !== '') return 'must not carry a user or a password; remove what stands before the @'
  if (url.pathname !== '/') return 'must not have a path; remove what follows the host and port'
  if (/[?#]/.test(url.href)) return 'must not have a query or a fragment; remove what follows the host and port'
  return null
}

/** Checks a path of whole segments that every parser reads in the same way. */
export const checkPath: TextCheck = text => {
  if (text.length > 200) return 'must have at most 200 characters; shorten it'
  if (!text.startsWith('/')) return 'must start with /; write for example /orders'
  if (text === '/') return null
  if (text.endsWith('/')) return 'must not end with /; remove it'
  if (text.includes('%')) return 'must not have encoded characters; write letters, digits and - . _ ~ @ alone'
  const segments = text.slice(1).split('/')
  if (segments.some(segment => segment === '.' || segment === '..')) return 'must not have . or .. as a segment; write the path that they lead to'
  if (segments.includes('')) return 'must not have // in it; remove one'
  return segments.every(segment => /^[A-Za-z0-9._~@-]+$/.test(segment)) ? null : 'must consist of letters, digits and - . _ ~ @; remove other characters'
}

/** Paths of the gateway itself, for every method. */
export const reserved = ['/auth', '/oauth', '/.well-known/jwks.json', '/.well-known/oauth-authorization-server']

/** Checks a path that must not be one of the gateway itself. */
export const checkPrefix: TextCheck = text => {
  const own = reserved.find(path => text === path || text.startsWith(`${path}/`))
  if (own !== undefined) return `must not lie in ${own}, which is the gateway's own; choose another prefix`
  return checkPath(text) ?? (text.includes('@') ? 'must not have @ in it, because %40, which is the same for a service, would go elsewhere; choose another prefix' : null)
}

export const checkTrustedProxy: TextCheck = text => {
  if (/^\d+$/.test(text)) return 'must be an address, not a number of hops, which a client can forge by adding headers; write for example 10.0.0.0/8'
  if (isMappedAddress(text)) return 'must be in the form of IPv4, which is how addresses are compared; write for example 10.0.0.0/8'
  if (isEveryAddress(text)) return 'would trust every client to say its own address; name the proxies, for example 10.0.0.0/8'
  return isAddressBlock(text) ? null : 'must be an IP address or a CIDR block; write for example 10.0.0.0/8'
}

/** Checks a scope-token (RFC 6749, section 3.3). */
export const checkScope: TextCheck = text =>
  /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text) ? null : 'must be one scope of visible ASCII characters without space, " and \\; write one list entry a scope'

export const checkAudience: TextCheck = text => {
  if (text === 'origin') return 'must not be "origin", which at sign-in stands for the gateway itself; choose another name'
  return /^[\x21-\x7e]{1,200}$/.test(text) ? null : 'must be 1 to 200 visible ASCII characters; write for example orders'
}

export const checkMethod: TextCheck = text => {
  if (METHODS.includes(text)) return null
  const meant = nearest(text, METHODS)
  return `must be an HTTP method in capitals${meant === null ? '; write for example POST' : `; did you mean ${meant}?`}`
}

export const checkRequestPath: TextCheck = text => /^\/[\x21-\x7e]{0,1000}$/.test(text) ? null : 'must be a path that begins with / and has no blanks; write for example /healthz'

export const checkServerName: TextCheck = text => {
  if (isIP(text) !== 0) return 'must be a name, because certificates name no server of TLS by its address in the handshake; remove it'
  return /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text) ? null : 'must be a host name; write for example wiki.internal'
}

export const checkHost: TextCheck = text => {
  if (!/^[A-Za-z0-9.:_-]+$/.test(text)) return 'must be a host name or an IP address; write for example 127.0.0.1'
  return text.includes(':') && !isIPv6(text) ? 'must be a host alone; move the port to port' : null
}

/** Checks the name of an issuer, which precedes a subject and is separated from it by `|`. */
export const checkIssuerName: TextCheck = text => /^[A-Za-z0-9._-]{1,64}$/.test(text) ? null : 'must be 1 to 64 letters, digits and . _ -; write for example idp'

export const checkIssuer: TextCheck = text => /^[\x21-\x7e]{1,500}$/.test(text) ? null : 'must be 1 to 500 visible ASCII characters, exactly as in the tokens; write for example https://idp.example.com'

/** The name of a provider is a segment of paths, and browsers resolve `.` and `..` away. */
export const checkProviderName: TextCheck = text => /^\.+$/.test(text) ? 'must not consist of dots, because its paths end in it; write for example corp' : checkIssuerName(text)

/** Checks the address from which keys are fetched. An attacker who can change the keys in transit can sign in as any user. */
export const checkJwksUri: TextCheck = text => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback.includes(url.hostname)))) {
    return 'must be an https address (http on localhost and 127.0.0.1 alone), because whoever changes the keys on their way can sign in as anyone'
  }
  if (url.username !== '' || url.password !== '') return 'must not carry a user or a password; remove what stands before the @'
  return url.hash === '' ? null : 'must not have a fragment; remove what follows the #'
}

/** Checks the issuer of a provider. An attacker who can change what it answers can sign in as any user. */
export const checkProviderIssuer: TextCheck = text => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback.includes(url.hostname)))) return 'must be an https address (http on localhost and 127.0.0.1 alone); write for example https://idp.example.com'
  if (url.username !== '' || url.password !== '') return 'must not carry a user or a password; remove what stands before the @'
  if (text.endsWith('/.well-known/openid-configuration')) return 'must be the issuer, not its discovery document; remove /.well-known/openid-configuration'
  return /[?#]/.test(text) ? 'must have no query and no fragment; remove what follows the path' : null
}

/** Headers that mean something to the gateway, to the framing of a request, or to what lies between. */
const headersOfOthers = /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|content-.*|cookie2?|set-cookie|authorization|proxy|proxy-.*|expect|date|via|forwarded|origin|referer|range|if-.*|accept|accept-.*|user-agent|sec-.*|secure-.*|access-control-.*|client-cert.*|cdn-loop|max-forwards|traceparent|tracestate|x-forwarded.*|x-real-ip|x-request-id|x-original-url|x-rewrite-url|x-http-method.*|x-auth-(?:subject|session|scope))$/i

export const checkIdentityHeader: TextCheck = text => {
  if (!/^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$/.test(text) || text.length > 64) return 'must be the name of a header: letters and digits, in words that are joined by -; write for example X-Auth-Email'
  return headersOfOthers.test(text) ? 'is a header with another meaning; choose another name, such as X-Auth-Email' : null
}

export const checkClientId: TextCheck = text => /^[\x20-\x7e]{1,500}$/.test(text) ? null : 'must be 1 to 500 printable ASCII characters, exactly as the provider states it'

export const checkNotEmpty: TextCheck = text => text.trim() === '' ? 'must not be empty' : null
