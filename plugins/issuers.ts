import { Type, type Static } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { algorithmNames, canonicalAlgorithms, type VerificationAlgorithm } from '../lib/jwt/jws-verify.ts'
import { parseKeySet } from '../lib/jwt/jwks.ts'
import { DurationOption, checkOptions, durationMs, type Duration } from '../lib/options.ts'
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

const Options = Type.Object({
  issuers: Type.Array(Type.Object({
    name: Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$', errorMessage: 'must be 1 to 64 letters, digits and . _ -' }),
    issuer: Type.String({ minLength: 1 }),
    keys: Type.Union([Type.Object({ file: Type.String({ minLength: 1 }) }, { additionalProperties: false }), Type.Object({ url: Type.String({ pattern: '^https?://' }) }, { additionalProperties: false })], { errorMessage: 'must be { file } or { url }' }),
    algorithms: Type.Array(Type.Union(algorithmNames.map(name => Type.Literal(name)), { errorMessage: 'must be an asymmetric algorithm' }), { minItems: 1 }),
    scopes: Type.Optional(Type.Array(Type.String())),
    maxTokenAge: Type.Optional(DurationOption),
    typ: Type.Optional(Type.Union([Type.Literal('at+jwt'), Type.Literal('any')], { errorMessage: 'must be at+jwt or any' }))
  }, { additionalProperties: false })),
  coolDown: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '30s' }),
  cacheSize: Type.Integer({ minimum: 0, default: 20_000 })
}, { additionalProperties: false })

export type IssuerOptions = Static<typeof Options>['issuers'][number]

export interface IssuersOptions {
  /**
   * Whose access tokens are accepted too: `name` stands in front of their subjects, `issuer` is their `iss`, `keys` a JWK set,
   * `scopes` what they may give (default none), `maxTokenAge` how old they may be (default 1h), `typ` which types they have.
   */
  issuers: IssuerOptions[]
  /** Keys of an address are not fetched sooner after they were. Default 30s. */
  coolDown?: Duration
  /** Verified tokens that are remembered at most. Default 20000. */
  cacheSize?: number
}

/** Accepts access tokens of other issuers, each for its own users and the scopes that it may give. */
export default fp<IssuersOptions>(async function issuersPlugin (fastify, options) {
  const { issuers, coolDown, cacheSize } = checkOptions('portcullis-issuers', Options, options)
  // It changes how the part verifies, in every scope that has the part.
  const portcullis = beginPart(fastify, 'issuers')
  if (!Object.hasOwn(portcullis, 'accessToken')) throw new ConfigInvalidError('portcullis-issuers: register it in the scope that has portcullis-access-token, or register that one in this scope too')
  const { accessToken, blocklist } = portcullis
  const health = partOrNull(portcullis, 'health')
  assertOneMeaning(issuers, accessToken.issuer)
  const accepted: Issuer[] = []
  fastify.addHook('onClose', async () => { await Promise.all(accepted.map(({ keys }) => keys.stop())) })
  for (const { maxTokenAge = '1h', scopes = [], typ = 'at+jwt', keys, ...named } of issuers) {
    const issuer = { ...named, algorithms: canonicalAlgorithms(named.algorithms) }
    if (durationMs(maxTokenAge) > blocklist.maxForeignTokenAgeMs) throw new ConfigInvalidError('portcullis-issuers: maxForeignTokenAge of portcullis-blocklist must be at least every maxTokenAge, or revocations are forgotten too early')
    const hooks = hooksFor(fastify, issuer)
    const source = await openKeys(keys, issuer.name, durationMs(coolDown), hooks)
    health?.warnWhile(() => source.problem() === null ? null : `issuers: ${issuer.name}: ${source.problem()}`)
    accepted.push({ ...issuer, scopes, typ, maxTokenAgeSeconds: Math.floor(durationMs(maxTokenAge) / 1000), ownAudience: accessToken.issuer, keys: source })
  }
  addPart(fastify, 'issuers', new ForeignTokens(accepted, cacheSize))
  // Nobody waits for it: an issuer that is away keeps nobody else out.
  fastify.addHook('onReady', async () => { for (const { keys } of accepted) void keys.lookAgain() })
}, { name: 'portcullis-issuers', fastify: '5.x', dependencies: ['portcullis-access-token', 'portcullis-blocklist'] })

/** Two issuers of one name would share subjects, two of one `iss` would share keys. */
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
    onError: error => fastify.log.error({ err: error, issuer: name }, 'the keys of an issuer could not be read')
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
