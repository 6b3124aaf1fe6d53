import { readFile } from 'node:fs/promises'
import { ConfigInvalidError } from '../lib/errors.ts'
import { parseKeySet } from '../lib/jwt/jwks.ts'
import type { IssuerConfig } from './config.ts'

/** Reads the key file of an issuer. Returns a warning for each unusable key; throws ConfigInvalidError when no key is usable. */
export async function checkJwksFile ({ keys, algorithms }: IssuerConfig, index: number): Promise<string[]> {
  if ('url' in keys) return []
  const { file } = keys
  const refuse = (text: string, cause?: unknown) => new ConfigInvalidError(`issuers[${index}].jwks: ${file} ${text}`, { cause })
  const set = parseKeySet(await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw refuse(cause.code === 'ENOENT' ? 'is not there; name a file that is, or write jwksUri' : `cannot be read (${cause.code ?? 'unknown error'}); let the gateway's user read it`, cause)
  }), algorithms)
  if (set === null) throw refuse('holds no JWK set; write { "keys": [ … ] } as the issuer publishes it')
  if (set.keys.length === 0) throw refuse(`has no key that can be used${set.refused.length === 0 ? '' : ` (${set.refused.join('; ')})`}; get the public keys of the issuer, and see that algorithms fits them`)
  return set.refused.map(reason => `issuers[${index}].jwks: ${file} has a key that is not used (${reason}); ${reason.endsWith('private members') ? 'it belongs to the issuer alone: remove it, and tell the issuer' : 'remove it, or get it anew'}`)
}
