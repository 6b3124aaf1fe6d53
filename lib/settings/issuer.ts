import { Type } from '@sinclair/typebox'
import { algorithmNames } from '../jwt/jws.ts'
import { choice, duration, group, list, text } from './fields.ts'
import * as check from './text-checks.ts'

const { Optional } = Type

/** Requirements for the tokens of another issuer. */
const tokens = {
  /** Algorithms with which the issuer signs. */
  algorithms: list(choice(algorithmNames, { description: 'Algorithm.', errorMessage: 'must be an asymmetric algorithm' }), { description: 'Algorithms with which it signs.', minItems: 1, uniqueItems: true }),
  /** Scopes that its tokens may carry; others are removed. */
  scopes: Optional(list(text(check.checkScope, { description: 'Scope.', expects: 'a scope' }), { description: 'Scopes that its tokens may carry; others are removed.', default: [], uniqueItems: true })),
  /** Maximum time since a token was issued; older tokens are rejected. */
  maxTokenAge: Optional(duration({ description: 'Older tokens are rejected.', default: '1h', minimum: '1m', maximum: '24h' })),
  /** `typ` of its tokens (RFC 9068). `any` also accepts JWT, or no `typ`. */
  typ: Optional(choice(['at+jwt', 'any'], { description: 'The typ of its tokens (RFC 9068). any: also accepts JWT or no typ, for issuers that do not mark their access tokens.', default: 'at+jwt' }))
}

/** Settings of another issuer that the options of its plugin use unchanged. */
export const foreignIssuer = {
  /** Name of the issuer. The subjects of its users are `<name>|<sub>`. */
  name: text(check.checkIssuerName, { description: 'The subjects of its users are <name>|<sub>.', expects: 'a name', example: 'idp', hard: true }),
  ...tokens
}

/** Another issuer whose access tokens are accepted. */
export const issuer = group({
  name: foreignIssuer.name,
  issuer: text(check.checkIssuer, { description: 'The exact iss of its tokens.', expects: 'an address', example: 'https://idp.example.com' }),
  jwks: Optional(text(check.checkNotEmpty, { description: 'Its public keys: a JWK set in a file, which is reread when it changes. Either this or jwksUri.', expects: 'a path', isFile: true })),
  jwksUri: Optional(text(check.checkJwksUri, { description: 'Its public keys: the address of a JWK set.', expects: 'an https address' })),
  ...tokens
}, { description: 'Another issuer whose access tokens are accepted too.' })
