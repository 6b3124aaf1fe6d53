import { Type } from '@sinclair/typebox'
import { choice, duration, group, list, text } from './fields.ts'
import * as check from './text-checks.ts'

const { Optional } = Type
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const

/** Another issuer whose access tokens are accepted too. */
export const issuer = group({
  name: text(check.checkIssuerName, { description: 'Its users are <name>|<sub> here.', expects: 'a name', example: 'idp' }),
  issuer: text(check.checkIssuer, { description: 'The iss of its tokens, exactly.', expects: 'an address', example: 'https://idp.example.com' }),
  jwks: Optional(text(check.checkNotEmpty, { description: 'Its public keys: a JWK set in a file, read again when it changes. Either this or jwksUri.', expects: 'a path' })),
  jwksUri: Optional(text(check.checkJwksUri, { description: 'Its public keys: the address of a JWK set.', expects: 'an https address' })),
  algorithms: list(choice(algorithms, { description: 'Algorithm.' }), { description: 'Algorithms that it signs with.', minItems: 1, uniqueItems: true }),
  scopes: Optional(list(text(check.checkScope, { description: 'Scope.', expects: 'a scope' }), { description: 'Scopes that it may give; others are dropped.', default: [], uniqueItems: true })),
  maxTokenAge: Optional(duration({ description: 'Tokens that were issued longer ago are refused.', default: '1h', minimum: '1m', maximum: '24h' })),
  typ: Optional(choice(['at+jwt', 'any'], { description: 'The typ of its tokens (RFC 9068). any: also JWT, or none; for issuers that mark their access tokens no better.', default: 'at+jwt' }))
}, { description: 'Another issuer whose access tokens are accepted too.' })
