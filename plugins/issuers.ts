import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { canonicalAlgorithms, type VerificationAlgorithm } from '../lib/jwt/jws.ts'
import { parseKeySet } from '../lib/jwt/jwks.ts'
import { checkOptions } from '../lib/check-options.ts'
import { accessToken } from '../lib/settings/access-token.ts'
import { foreignIssuer } from '../lib/settings/issuer.ts'
import { durationOption, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { describeError } from './errors.ts'
import { FileKeys } from './issuers/file-keys.ts'
import { ForeignTokens, type Issuer } from './issuers/foreign-tokens.ts'
import type { KeySource, KeySourceHooks } from './issuers/key-source.ts'
import { RemoteKeys } from './issuers/remote-keys.ts'
import type { ForeignVerifier } from './access-token.ts'
import { addPart, beginPart, partOrNull } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Verifies the access tokens of other issuers, on behalf of `accessToken`. */
    issuers: ForeignVerifier
  }
}

const ownOfIssuer = {
  /** The `iss` of its tokens. */
  issuer: Type.String({ minLength: 1 }),
  /** JWK set of the issuer, in a file or at an address. */
  keys: Type.Union([Type.Object({ file: Type.String({ minLength: 1 }) }, { additionalProperties: false }), Type.Object({ url: Type.String({ pattern: '^https?://' }) }, { additionalProperties: false })], { errorMessage: 'must be { file } or { url }' })
}

export interface IssuerOptions extends OptionsFrom<typeof foreignIssuer, typeof ownOfIssuer> {}

const own = {
  /** Issuers whose access tokens are accepted too. */
  issuers: Type.Array(optionsOf(foreignIssuer, ownOfIssuer)),
  /** Minimum time between two fetches of the keys of an address. Default 30s. */
  coolDown: durationOption({ default: '30s' })
}

export interface IssuersOptions extends Omit<OptionsFrom<Pick<typeof accessToken.properties, 'cacheSize'>, typeof own>, 'issuers'> {
  /** Issuers whose access tokens are accepted too. */
  issuers: IssuerOptions[]
}

const Options = optionsOf({ cacheSize: accessToken.properties.cacheSize }, own)

/** Accepts access tokens of other issuers, each for its own users and the scopes that it may grant. */
export default fp<IssuersOptions>(async function issuersPlugin (fastify, options) {
  const { issuers, coolDownMs, cacheSize } = checkOptions('portcullis-issuers', Options, options)
  // This part changes how `accessToken` verifies, in every scope that has that part.
  const portcullis = beginPart(fastify, 'issuers')
  if (!Object.hasOwn(portcullis, 'accessToken')) throw new ConfigInvalidError('portcullis-issuers: register it in the scope that has portcullis-access-token, or register that one in this scope too')
  const { accessToken, blocklist } = portcullis
  const health = partOrNull(portcullis, 'health')
  assertOneMeaning(issuers, accessToken.issuer)
  const accepted: Issuer[] = []
  fastify.addHook('onClose', async () => { await Promise.all(accepted.map(({ keys }) => keys.stop())) })
  for (const { maxTokenAgeMs, scopes, typ, keys, ...named } of issuers) {
    const issuer = { ...named, algorithms: canonicalAlgorithms(named.algorithms) }
    if (maxTokenAgeMs > blocklist.maxForeignTokenAgeMs) throw new ConfigInvalidError('portcullis-issuers: maxForeignTokenAge of portcullis-blocklist must be at least every maxTokenAge, or revocations are forgotten too early')
    const hooks = hooksFor(fastify, issuer)
    const source = await openKeys(keys, issuer.name, coolDownMs, hooks)
    health?.warnWhile(() => source.problem() === null ? null : `issuers: ${issuer.name}: ${source.problem()}`)
    accepted.push({ ...issuer, scopes, typ, maxTokenAgeSeconds: Math.floor(maxTokenAgeMs / 1000), ownAudience: accessToken.issuer, keys: source })
  }
  addPart(fastify, 'issuers', new ForeignTokens(accepted, { cacheSize, now: portcullis.clock }))
  // The start does not wait for this, so that an unavailable issuer does not lock out the users of others.
  fastify.addHook('onReady', async () => { for (const { keys } of accepted) void keys.lookAgain() })
}, { name: 'portcullis-issuers', fastify: '5.x', dependencies: ['portcullis-access-token', 'portcullis-blocklist'] })

/** Checks that the issuers are distinct. Two issuers of one name would share subjects; two of one `iss` would share keys. */
function assertOneMeaning (issuers: IssuerOptions[], own: string): void {
  const texts = [own, ...issuers.map(({ issuer }) => issuer)]
  if (new Set(texts).size < texts.length) throw new ConfigInvalidError('portcullis-issuers: every issuer must be another one, and none the issuer of portcullis-access-token')
  if (new Set(issuers.map(({ name }) => name)).size < issuers.length) throw new ConfigInvalidError('portcullis-issuers: every name must be another one')
}

function hooksFor (fastify: FastifyInstance, { name, algorithms }: { name: string, algorithms: VerificationAlgorithm[] }): KeySourceHooks {
  let told = ''
  return {
    toKeySet (bytes, before) {
      const set = parseKeySet(bytes, algorithms, before?.keys)
      const refused = set?.refused.join('; ') ?? ''
      if (refused !== '' && refused !== told) fastify.log.warn({ issuer: name, refused }, 'keys of an issuer are not used')
      told = refused
      return set
    },
    onError: error => fastify.log.error({ error: describeError(error), issuer: name }, 'the keys of an issuer could not be read'),
    now: fastify.portcullis.clock
  }
}

async function openKeys (keys: IssuerOptions['keys'], name: string, coolDownMs: number, hooks: KeySourceHooks): Promise<KeySource> {
  if ('url' in keys) return new RemoteKeys(keys.url, coolDownMs, hooks)
  const source = new FileKeys(keys.file, hooks)
  try {
    await source.start()
  } catch (cause) {
    throw new ConfigInvalidError(`issuers: the jwks file of ${name} cannot be used: ${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message}`, { cause })
  }
  return source
}
