import { isReservedClaim } from '../lib/jwt/own-claims.ts'
import { isThisMachine, plainHost, serviceAt, shareService } from '../lib/proxy/service-address.ts'
import { findTlsProblems } from '../lib/settings/client-tls.ts'
import { reference } from '../lib/settings/fields.ts'
import { parseDurationMs } from '../lib/units.ts'
import { driverOf } from '../stores/drivers.ts'
import type { Problem } from './problems.ts'
import type { Settings } from './schema.ts'

type Upstream = Settings['upstreams'][number]

/** Finds contradictions between settings of the gateway that are each valid. */
export function checkGateway ({ origin, listen, admin, store, secret, keys, session, refreshToken, revocation, cors }: Settings): Problem[] {
  const problems = [...checkAdmin(admin, listen), ...checkToken(admin, secret)]
  const refuse = (setting: string, text: string) => problems.push({ setting, text })
  const driver = driverOf(store)
  const idleMs = parseDurationMs(session.idleTimeout)

  problems.push(...driver.findProblems(store).map(({ setting, text }) => ({ setting: `store.${setting}`, text })))
  if (secret === undefined && driver.secretBeside === undefined) {
    refuse('secret', `is required with ${driver.type}, so that every gateway has the same; add secret: ${reference('PORTCULLIS_SECRET')}`)
  }
  if (parseDurationMs(keys.publishAhead) <= parseDurationMs(revocation.maxStaleness)) {
    refuse('keys.publishAhead', 'must be longer than revocation.maxStaleness, so that every gateway knows a key before it signs; lengthen it')
  }
  if (idleMs > parseDurationMs(session.absoluteTimeout)) {
    refuse('session.idleTimeout', 'must be at most session.absoluteTimeout; shorten it, or lengthen session.absoluteTimeout')
  }
  if (refreshToken.overlap !== undefined && parseDurationMs(refreshToken.overlap) >= idleMs) {
    refuse('refreshToken.overlap', 'must be shorter than session.idleTimeout; shorten it')
  }
  if (refreshToken.retryWindow !== undefined && parseDurationMs(refreshToken.retryWindow) > idleMs) {
    refuse('refreshToken.retryWindow', 'must be at most session.idleTimeout; shorten it')
  }
  if (revocation.consistency === 'strict' && parseDurationMs(revocation.staleFor) > 0) {
    refuse('revocation.staleFor', 'must be 0s, because strict never serves stale; remove it, or write consistency: replica')
  }
  for (const [index, other] of cors.origins.entries()) {
    if (new URL(other).origin === new URL(origin).origin) refuse(`cors.origins[${index}]`, 'is origin itself, which needs no permission; remove it')
  }
  return problems
}

const loopback = ['localhost', '127.0.0.1', '::1']
const everyAddress = ['0.0.0.0', '::']

function checkAdmin (admin: Settings['admin'], listen: Settings['listen']): Problem[] {
  if (admin === undefined || admin.port === 0 || admin.port !== listen.port || !shareAddress(admin.host, listen.host)) return []
  return [{ setting: 'admin.port', text: 'is that of listen too, and administration must not be where clients are; choose another' }]
}

/** Refuses the secret as the token of operators: an operator could open the keys that sign tokens. */
function checkToken (admin: Settings['admin'], secret: Settings['secret']): Problem[] {
  if (admin === undefined || secret === undefined || ![secret].flat().includes(admin.token)) return []
  return [{ setting: 'admin.token', text: 'is secret too, and whoever has that can sign in as anyone; make another one' }]
}

/** Compares two hosts by their texts alone. A wildcard address includes every other one, and the loopback names are one host. */
function shareAddress (one: string, other: string): boolean {
  return one === other || [one, other].some(host => everyAddress.includes(host)) || [one, other].every(host => loopback.includes(host))
}

/** Finds contradictions between the settings of one upstream. The names in the problems are relative to the upstream. */
export function checkUpstream (upstream: Upstream, origin: string | undefined): Problem[] {
  return [...checkDemands(upstream, origin), ...checkForwarding(upstream), ...checkAddresses(upstream)]
}

function checkDemands ({ audience, access, scopes, stepUp }: Upstream, origin: string | undefined): Problem[] {
  const problems: Problem[] = []
  if (audience === undefined && access !== 'public') {
    problems.push({ setting: 'audience', text: 'is required unless access is public; add audience: <name>' })
  }
  if (audience !== undefined && origin !== undefined && URL.parse(audience)?.href === new URL(origin).href) {
    problems.push({ setting: 'audience', text: 'must not be the origin, which is the audience of the gateway itself; choose another name' })
  }
  if (access === 'public') {
    const text = 'cannot be demanded when access is public; remove it, or change access'
    if (scopes.length > 0) problems.push({ setting: 'scopes', text })
    if (stepUp !== undefined) problems.push({ setting: 'stepUp', text })
  }
  return problems
}

/** Finds claims that the upstream cannot receive. */
function checkClaims (upstream: Upstream): Problem[] {
  const { claims } = upstream
  if (claims === undefined) return []
  const forward = forwardOf(upstream)
  if (forward !== 'mint' && forward !== 'headers') return [{ setting: 'claims', text: `needs forward: mint or headers, and it is ${forward}; change forward, or remove claims` }]
  const headers = Object.values(claims).map(header => header.toLowerCase())
  return Object.keys(claims).flatMap((claim, index) => {
    if (headers.indexOf(headers[index]!) < index) return [{ setting: `claims.${claim}`, text: 'has the header of another claim; choose another' }]
    return forward === 'mint' && isReservedClaim(claim) ? [{ setting: `claims.${claim}`, text: 'is a claim that the gateway sets itself; remove it' }] : []
  })
}

function checkForwarding (upstream: Upstream): Problem[] {
  const { access, audience, forward, authorization } = upstream
  const problems: Problem[] = checkClaims(upstream)
  if (forward === 'mint' && access === 'public' && audience === undefined) {
    problems.push({ setting: 'forward', text: 'mint needs an audience; add audience: <name>, or write forward: headers or none' })
  }
  if (forward === 'pass' && access !== 'token') problems.push({ setting: 'forward', text: 'pass needs access: token; change one of them' })
  if (authorization === 'keep' && access !== 'session' && access !== 'public') {
    problems.push({ setting: 'authorization', text: 'keep needs access: session or public; change access, or write authorization: strip' })
  } else if (authorization === 'keep' && !['headers', 'none'].includes(forwardOf(upstream))) {
    problems.push({ setting: 'authorization', text: 'keep needs forward: headers or none; change forward, or write authorization: strip' })
  }
  return problems
}

function checkAddresses ({ target, targets, tls }: Upstream): Problem[] {
  const problems: Problem[] = []
  const addresses = targets ?? (target === undefined ? [] : [target])
  if (addresses.length === 0) problems.push({ setting: 'target', text: 'is required; add target: http://127.0.0.1:3001, or targets' })
  if (target !== undefined && targets !== undefined) problems.push({ setting: 'target', text: 'cannot stand beside targets; move it into targets' })
  if (tls === undefined) return problems
  if (addresses.some(address => URL.parse(address)?.protocol === 'http:')) problems.push({ setting: 'tls', text: 'is for https targets alone; write https in every target, or remove it' })
  return [...problems, ...findTlsProblems(tls)]
}

/** Finds upstreams whose paths are not checked, and that another upstream shares. */
export function checkTransparent ({ upstreams }: Settings): Problem[] {
  const targetsOf = ({ target, targets }: Upstream): string[] => (targets ?? [target ?? '']).filter(address => URL.canParse(address))
  return upstreams.flatMap((upstream, index) => upstream.paths !== 'transparent'
    ? []
    : upstreams.flatMap((other, at) => {
      if (at === index) return []
      const isInside = other.prefix.startsWith(upstream.prefix === '/' ? '/' : `${upstream.prefix}/`)
      if (!isInside && !shareService(targetsOf(other), targetsOf(upstream), new Map())) return []
      return [{ setting: `upstreams[${index}].paths`, text: `cannot be transparent, because upstreams[${at}] ${isInside ? 'lies inside the prefix' : 'has the same target'}, and a path could lead around what either demands; write strict, or separate them` }]
    }))
}

/** Finds duplicate prefixes. */
export function checkPrefixes (prefixes: Array<string | undefined>): Problem[] {
  return prefixes.flatMap((prefix, index) => {
    const first = prefixes.indexOf(prefix)
    return prefix === undefined || first === index ? [] : [{ setting: `upstreams[${index}].prefix`, text: `is that of upstreams[${first}] too; choose another` }]
  })
}

/** Returns `forward` or its default: `none` for a public upstream without an audience, which a minted token needs; else `mint`. */
export function forwardOf ({ forward, access, audience }: Pick<Upstream, 'access'> & { forward?: Upstream['forward'] | null, audience?: string | null | undefined }): NonNullable<Upstream['forward']> {
  return forward ?? (access === 'public' && (audience ?? null) === null ? 'none' : 'mint')
}

/** Finds contradictions between the issuers, and between an issuer and the gateway. */
export function checkIssuers (issuers: Settings['issuers'], origin: string): Problem[] {
  return issuers.flatMap(({ name, issuer, jwks, jwksUri }, index) => {
    const problems: Problem[] = []
    const refuse = (setting: string, text: string) => problems.push({ setting: `issuers[${index}].${setting}`, text })
    const sameName = issuers.findIndex(other => other.name === name)
    const sameIssuer = issuers.findIndex(other => other.issuer === issuer)

    if (sameName < index) refuse('name', `is that of issuers[${sameName}] too, so two people could be one subject; choose another`)
    if (sameIssuer < index) refuse('issuer', `is that of issuers[${sameIssuer}] too; remove one`)
    if (URL.parse(issuer)?.href === new URL(origin).href) refuse('issuer', 'must not be the origin, whose tokens are accepted anyway; remove it')
    if (jwks === undefined && jwksUri === undefined) refuse('jwks', 'is required unless jwksUri is set; add jwks: <path>, or jwksUri: <address>')
    if (jwks !== undefined && jwksUri !== undefined) refuse('jwksUri', 'cannot be set together with jwks; remove one of them')
    return problems
  })
}

/** Finds targets that lead back to the gateway. Their requests would loop, or reach the listener of operators. */
export function checkTargets ({ origin, listen, admin, upstreams }: Settings): Problem[] {
  const named = upstreams.flatMap(({ target, targets }, index) => [
    ...target === undefined ? [] : [{ target, setting: `upstreams[${index}].target` }],
    ...(targets ?? []).map((address, at) => ({ target: address, setting: `upstreams[${index}].targets[${at}]` }))
  ])
  return named.flatMap(({ target, setting }) => {
    const refuse = (text: string): Problem[] => [{ setting, text }]
    const at = serviceAt(target)

    if (isListener(listen, at)) return refuse('is where the gateway itself listens, so requests would go round; name the service')
    if (admin !== undefined && isListener(admin, at)) return refuse('is the listener of admin, which must not be where clients are; name the service')
    return new URL(target).origin === new URL(origin).origin ? refuse('is origin, which leads here again; name the address of the service itself') : []
  })
}

/** Compares by the texts alone; other names and addresses of this machine are not looked up. */
function isListener (listener: { host: string, port: number }, { host, port }: { host: string, port: number }): boolean {
  if (listener.port !== port) return false
  return plainHost(listener.host) === host || (isThisMachine(host) && isThisMachine(listener.host))
}
