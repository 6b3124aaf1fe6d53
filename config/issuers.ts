import type { Config } from './config.ts'

/** The `iss` of every token that is accepted: the gateway's own first. */
export function issuersOf ({ origin, issuers }: Pick<Config, 'origin' | 'issuers'>): string[] {
  return [origin, ...issuers.map(({ issuer }) => issuer)]
}
