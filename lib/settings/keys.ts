import { Type } from '@sinclair/typebox'
import { leastPublishAheadMs, publishAheadMs } from '../jwt/signing-key.ts'
import { choice, duration, group } from './fields.ts'

const { Optional } = Type

export const keys = group({
  /** Signature of access tokens. */
  algorithm: Optional(choice(['ES256', 'EdDSA', 'RS256'], { description: 'Signature of access tokens.', default: 'ES256' })),
  /** Interval at which a new key is created. */
  rotateEvery: Optional(duration({ description: 'Interval at which the gateway creates a signing key.', default: '30d', minimum: '1h', maximum: '365d' })),
  /** Time for which a new key is published before it signs; must exceed the time for which services cache the public keys. At least 5s. */
  publishAhead: Optional(duration({ description: 'Time for which a new key is published before it signs; must exceed the time for which services cache the public keys.', default: `${publishAheadMs / 1000}s`, minimum: `${leastPublishAheadMs / 1000}s`, maximum: '1h' }))
}, { description: 'Signing keys, which the store holds sealed.', default: {} })
