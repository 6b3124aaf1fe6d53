import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { leastPublishAheadMs, publishAheadMs } from '../lib/jwt/key-schedule.ts'
import type { SigningAlgorithm } from '../lib/jwt/jws.ts'
import { DurationOption, checkOptions, durationMs, type Duration } from '../lib/options.ts'
import { persist } from '../stores/retry.ts'
import { deriveSecret, type DerivedSecret } from '../lib/secrets.ts'
import { waitForStore } from '../stores/wait-for-store.ts'
import { KeyRing, type Keys } from './keys/key-ring.ts'
import { addPart, beginPart } from './portcullis.ts'

export type { Keys }

declare module './portcullis.ts' {
  interface Portcullis {
    /** The keys that sign access tokens. */
    keys: Keys
  }
}

export interface KeysOptions {
  /** Seals the keys wherever they are stored; at least 32 bytes, base64url. A list while it is changed: the first one seals. */
  secret: string | string[]
  /** Default ES256. */
  algorithm?: SigningAlgorithm
  /** How often a new key is made. Default: never by itself. */
  rotateEvery?: Duration
  /** How long a new key is published before it signs: longer than services keep the public keys. At least 5s, default 90s. */
  publishAhead?: Duration
  /** How long a token can live: a key is kept that long after its successor has begun to sign. Default 15m. */
  maxTokenAge?: Duration
}

const Options = Type.Object({
  secret: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], { errorMessage: 'must be a base64url text, or a list of them' }),
  algorithm: Type.Union([Type.Literal('ES256'), Type.Literal('EdDSA'), Type.Literal('RS256')], { default: 'ES256', errorMessage: 'must be ES256, EdDSA or RS256' }),
  rotateEvery: Type.Optional(DurationOption),
  publishAhead: Type.Union(DurationOption.anyOf, { ...DurationOption, default: publishAheadMs }),
  maxTokenAge: Type.Union(DurationOption.anyOf, { ...DurationOption, default: '15m' })
}, { additionalProperties: false })

const toleranceMs = 5000
const lookEveryMs = 60_000
const longestWaitMs = 60_000

/** Keeps the signing keys in the store, sealed; makes the first one, once, however many processes start at the same time. */
export default fp<KeysOptions>(async function keysPlugin (fastify, options) {
  const { secret, algorithm, rotateEvery, publishAhead, maxTokenAge } = checkOptions('portcullis-keys', Options, options)
  if (durationMs(publishAhead) < leastPublishAheadMs) throw new ConfigInvalidError('portcullis-keys: publishAhead must be at least 5s')
  const { store } = beginPart(fastify, 'keys')
  const ring = new KeyRing(store, { secrets: deriveSecrets('portcullis-keys', secret), algorithm, maxTokenAgeMs: durationMs(maxTokenAge) + toleranceMs, publishAheadMs: durationMs(publishAhead) })
  // Fastify would end a plugin that takes longer than its own limit, and not say why.
  const { pluginTimeout = 0 } = fastify.initialConfig
  const forMs = pluginTimeout === 0 ? longestWaitMs : Math.min(longestWaitMs, pluginTimeout / 2)
  await waitForStore(() => ring.ensureCurrent(), text => fastify.log.warn(text), forMs)
  addPart(fastify, 'keys', ring)
  follow(fastify, ring)
  if (rotateEvery !== undefined) rotateByTheClock(fastify, ring, durationMs(rotateEvery))
}, { name: 'portcullis-keys', fastify: '5.x', dependencies: ['portcullis-store'] })

/** A key that another process has made or revoked counts here as soon as the log says so. */
function follow (fastify: FastifyInstance, ring: KeyRing): void {
  if (!fastify.hasPlugin('portcullis-blocklist')) return
  const ending = new AbortController()
  fastify.addHook('onClose', () => ending.abort())
  fastify.portcullis.blocklist.subscribe(entry => {
    if (entry === 'gap' || entry.kind === 'keys') void persist(() => ring.read(), ending.signal, error => fastify.log.error({ error }, 'the signing keys could not be read yet'))
  })
}

function rotateByTheClock (fastify: FastifyInstance, ring: KeyRing, everyMs: number): void {
  const timer = setInterval(() => {
    ring.rotate(everyMs).catch((error: unknown) => fastify.log.error({ error }, 'the signing key could not be rotated yet'))
  }, lookEveryMs).unref()
  fastify.addHook('onClose', () => clearInterval(timer))
}

/** Throws ConfigInvalidError that names the plugin, never the secret. */
export function deriveSecrets (plugin: string, secret: string | string[]): [DerivedSecret, ...DerivedSecret[]] {
  try {
    const [first, ...rest] = [secret].flat()
    return [deriveSecret(first ?? ''), ...rest.map(deriveSecret)]
  } catch (cause) {
    throw new ConfigInvalidError(`${plugin}: secret must have at least 32 bytes, base64url: make one with \`openssl rand -base64 32 | tr +/ -_ | tr -d =\``, { cause })
  }
}
