import { isOneOf } from '../session/authentication.ts'

/* Demands of one sign-in beside those of the configuration. Browsers carry the former, so they may add to the latter and never replace it. */

/** Returns the smaller of two maximum ages; null if neither is given. */
export function smallerAge (configured: number | null, demanded: number | undefined): number | null {
  if (configured === null || demanded === undefined) return demanded ?? configured
  return Math.min(configured, demanded)
}

/** Returns the strengths of which the provider is asked for one: those demanded that the configuration accepts, otherwise the configured ones. */
export function strengthsToAsk (configured: readonly string[] | null, demanded: readonly string[] = []): readonly string[] | null {
  const accepted = configured === null ? demanded : demanded.filter(acr => isOneOf(acr, configured))
  return accepted.length > 0 ? accepted : configured
}

/** Returns whether a strength meets the configuration and the demand. */
export function isStrongEnough (acr: string, configured: readonly string[] | null, demanded: readonly string[] = []): boolean {
  return (configured === null || isOneOf(acr, configured)) && (demanded.length === 0 || isOneOf(acr, demanded))
}
