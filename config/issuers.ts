import type { Config } from './config.ts'

/** Returns the `iss` values of the tokens that the gateway accepts; its own comes first. */
export function issuersOf ({ origin, issuers }: Pick<Config, 'origin' | 'issuers'>): string[] {
  return [origin, ...issuers.map(({ issuer }) => issuer)]
}
