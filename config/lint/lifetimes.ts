import { publishAheadMs } from '../../lib/jwt/signing-key.ts'
import { driverOf } from '../../stores/drivers.ts'
import type { Config } from '../config.ts'
import { warn } from './warnings.ts'

/** The latest point of an access token's lifetime at which clients refresh, as a fraction. */
const latestRefresh = 0.86

/** Chromium renews a device cookie two minutes before its expiry, and signs at most six proofs in nine minutes. */
const shortestDeviceCookieMs = 240_000

/** Warns about the lifetimes of sessions, tokens and keys, about the delay of revocations, and about the store. */
export function lintLifetimes ({ secure, session, accessToken, keys, refreshToken: { overlapMs, retryWindowMs }, revocation, store }: Config): string[] {
  return [...driverOf(store).lint(store), ...warn(
    [session.idleTimeoutMs < accessToken.ttlMs * latestRefresh, 'session.idleTimeout: is shorter than accessToken.ttl, so in tokens mode sessions are over before clients refresh; lengthen it, or shorten accessToken.ttl'],
    [session.absoluteTimeoutMs > 90 * 86_400_000, 'session.absoluteTimeout: is above 90d, for which a stolen session in use stays good; shorten it'],
    [session.deviceBound !== null && !secure, 'session.deviceBound: is set, but browsers bind sessions over https alone, and origin is http; remove it'],
    [session.deviceBound !== null && session.deviceBound.cookieTtlMs < shortestDeviceCookieMs, 'session.deviceBound.cookieTtl: is below 4m, so browsers use up the renewals that they allow and lose their sessions; write 5m'],
    [keys.publishAheadMs < publishAheadMs, 'keys.publishAhead: is below 90s, so services that keep the public keys for a minute refuse the first tokens of a new key; leave it out'],
    [revocation.staleForMs > 0, 'revocation.staleFor: is above 0s, so without the store what was revoked elsewhere is still served that long; write 0s unless that is better than an outage'],
    [overlapMs === 0 && retryWindowMs === 0, 'refreshToken: both windows are 0s, so a lost answer or two tabs at once sign an honest user out; leave them out unless you want the textbook rule'],
    [overlapMs === 0 && retryWindowMs > 0, 'refreshToken.overlap: is 0s, so two tabs at once sign an honest user out; write 10s'],
    [overlapMs > 0 && retryWindowMs === 0, 'refreshToken.retryWindow: is 0s, so a lost answer signs an honest user out; leave it out']
  )]
}
