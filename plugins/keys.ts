import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { leastPublishAheadMs } from '../lib/jwt/signing-key.ts'
import { checkOptions } from '../lib/check-options.ts'
import { keptForMs } from '../lib/revocation/retention.ts'
import { persist } from '../stores/retry.ts'
import { deriveSecret, type DerivedSecret } from '../lib/secrets.ts'
import { longestTokenTtl } from '../lib/settings/access-token.ts'
import { keys } from '../lib/settings/keys.ts'
import { durationOption, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { secretOption } from '../lib/settings/secret.ts'
import { waitForStore } from '../stores/wait-for-store.ts'
import { describeError } from './errors.ts'
import { KeyRing, type Keys } from './keys/key-ring.ts'
import { TokenSigner } from './keys/signer.ts'
import { addPart, beginPart } from './portcullis.ts'

export type { Keys }

declare module './portcullis.ts' {
  interface Portcullis {
    /** Keys that sign access tokens. */
    keys: Keys
  }
}

const own = {
  /** Secret that seals the keys in the store; at least 32 bytes, base64url. A list serves to change it: the first one seals. */
  secret: secretOption,
  /** Interval at which a new key is created. Default: never automatically. */
  rotateEvery: Type.Optional(durationOption()),
  /** Maximum lifetime of a token. A key is kept for this long after its successor has begun to sign. */
  maxTokenAge: durationOption({ default: longestTokenTtl })
}

export interface KeysOptions extends OptionsFrom<typeof keys.properties, typeof own> {}

const Options = optionsOf(keys.properties, own)

const lookEveryMs = 60_000
const longestWaitMs = 60_000

/** Keeps the signing keys sealed in the store. The first one is created once, however many processes start at the same time. */
export default fp<KeysOptions>(async function keysPlugin (fastify, options) {
  const { secret, algorithm, rotateEveryMs, publishAheadMs, maxTokenAgeMs } = checkOptions('portcullis-keys', Options, options)
  if (publishAheadMs < leastPublishAheadMs) throw new ConfigInvalidError('portcullis-keys: publishAhead must be at least 5s')
  const { store } = beginPart(fastify, 'keys')
  const ring = new KeyRing(store, { secrets: deriveSecrets('portcullis-keys', secret), algorithm, maxTokenAgeMs: keptForMs(maxTokenAgeMs), publishAheadMs })
  // Fastify would end a plugin that exceeds its own limit, without stating the reason.
  const { pluginTimeout = 0 } = fastify.initialConfig
  const forMs = pluginTimeout === 0 ? longestWaitMs : Math.min(longestWaitMs, pluginTimeout / 2)
  await waitForStore(() => ring.ensureCurrent(), text => fastify.log.warn(text), forMs)
  const signer = new TokenSigner(ring)
  addPart(fastify, 'keys', Object.assign(ring, { sign: signer.sign.bind(signer) }))
  follow(fastify, ring)
  if (rotateEveryMs !== undefined) rotateByTheClock(fastify, ring, rotateEveryMs)
}, { name: 'portcullis-keys', fastify: '5.x', dependencies: ['portcullis-store'] })

/** Reads the keys as soon as the log reports that another process has created or revoked one. */
function follow (fastify: FastifyInstance, ring: KeyRing): void {
  if (!fastify.hasPlugin('portcullis-blocklist')) return
  const ending = new AbortController()
  fastify.addHook('onClose', () => ending.abort())
  fastify.portcullis.blocklist.subscribe(entry => {
    if (entry === 'gap' || entry.kind === 'keys') void persist(() => ring.read(), ending.signal, error => fastify.log.error({ error: describeError(error) }, 'the signing keys could not be read yet'))
  })
}

function rotateByTheClock (fastify: FastifyInstance, ring: KeyRing, everyMs: number): void {
  const timer = setInterval(() => {
    ring.rotate(everyMs).catch((error: unknown) => fastify.log.error({ error: describeError(error) }, 'the signing key could not be rotated yet'))
  }, lookEveryMs).unref()
  fastify.addHook('onClose', () => clearInterval(timer))
}

/** Derives the keys of the secrets. Throws ConfigInvalidError that names the plugin, never the secret. */
export function deriveSecrets (plugin: string, secret: string | string[]): [DerivedSecret, ...DerivedSecret[]] {
  try {
    const [first, ...rest] = [secret].flat()
    return [deriveSecret(first ?? ''), ...rest.map(deriveSecret)]
  } catch (cause) {
    throw new ConfigInvalidError(`${plugin}: secret must have at least 32 bytes, base64url: make one with \`openssl rand -base64 32 | tr +/ -_ | tr -d =\``, { cause })
  }
}
