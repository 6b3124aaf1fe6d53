import { Kind, Type, type Static } from '@sinclair/typebox'
import { accessToken } from '../lib/settings/access-token.ts'
import { cookies } from '../lib/settings/cookies.ts'
import { cors } from '../lib/settings/cors.ts'
import type { Complete } from '../lib/settings/decode.ts'
import { duration, flag, group, list, text } from '../lib/settings/fields.ts'
import { issuer } from '../lib/settings/issuer.ts'
import { keys } from '../lib/settings/keys.ts'
import { limits } from '../lib/settings/limits.ts'
import { admin, listen } from '../lib/settings/listen.ts'
import { log } from '../lib/settings/log.ts'
import { oidcProvider } from '../lib/settings/oidc.ts'
import { rateLimit } from '../lib/settings/rate-limit.ts'
import { refreshToken } from '../lib/settings/refresh-token.ts'
import { revocation } from '../lib/settings/revocation.ts'
import { secret } from '../lib/settings/secret.ts'
import { session } from '../lib/settings/session.ts'
import { shutdown } from '../lib/settings/shutdown.ts'
import { checkNotEmpty, checkOrigin } from '../lib/settings/text-checks.ts'
import { upstream } from '../lib/settings/upstream.ts'
import { store } from '../stores/settings.ts'
import type { VerifyPassword } from '../users/password-source.ts'

const { Optional } = Type

const users = group({
  type: Type.Literal('users'),
  file: text(checkNotEmpty, { description: 'The users file, which portcullis users maintains.', expects: 'a path', isFile: true, example: './users.json' }),
  staleFor: Optional(duration({ description: 'While the file cannot be read, passwords are verified against its last content for this long. After that, sign-ins and step-ups are answered 503; sessions continue.', default: '5m', minimum: '0s', maximum: '24h' }))
}, { description: 'Users in a file.' })

const oidc = group({ type: Type.Literal('oidc'), ...oidcProvider }, { description: 'An identity provider (OpenID Connect). See [Identity providers](../guides/identity-providers.md).' })

const verify = Type.Unsafe<VerifyPassword>({ [Kind]: 'Function', type: 'Function', parameters: [], returns: Type.Unknown() })

const hints = { openid: 'is not known; write oidc', 'openid-connect': 'is not known; write oidc' }

/** One source of users: a file, a function that verifies passwords, or an identity provider. */
export const identitySource = Type.Union([users, oidc, verify], { description: 'A source of users.', expects: 'a file of users, an identity provider, or a function', example: '{ type: users, file: ./users.json }', hints })

/** Returns the schema of the sources that have this type; null if there is none. */
export function sourceOfType (type: unknown): typeof users | typeof oidc | null {
  return [users, oidc].find(({ properties }) => properties.type.const === type) ?? null
}

const identity = Type.Union([users, oidc, verify, list(identitySource, { description: 'Several sources: at most one file or function, and any number of identity providers.', minItems: 1, maxItems: 100 })], {
  description: 'Who may sign in: the users of a file, of an identity provider, or of a function (in a TypeScript configuration), or a list of these.',
  expects: 'a file of users, an identity provider, a function, or a list of these',
  example: '{ type: users, file: ./users.json }',
  hints
})

/** The schema of all settings, with their units, defaults and bounds. */
export const configSchema = group({
  origin: text(checkOrigin, { description: 'Scheme, host and port that browsers see, and the issuer of tokens. Determines the attributes of cookies.', expects: 'an address, such as https://app.example.com', example: 'https://app.example.com' }),
  listen: Optional(listen),
  admin: Optional(admin),
  store: Optional(store),
  secret: Optional(secret),
  keys: Optional(keys),
  session: Optional(session),
  accessToken: Optional(accessToken),
  refreshToken: Optional(refreshToken),
  cookies: Optional(cookies),
  revocation: Optional(revocation),
  identity,
  issuers: Optional(list(issuer, { description: 'Other issuers whose access tokens are accepted too.', default: [], expects: 'a list of groups of settings, each with a name and an issuer' })),
  shutdown: Optional(shutdown),
  log: Optional(log),
  limits: Optional(limits),
  cors: Optional(cors),
  rateLimit: Optional(rateLimit),
  pages: Optional(flag({ description: 'Serves a sign-in page (/auth/sign-in) and an account page (/auth/account), and redirects users who are not signed in to the sign-in page.', default: false })),
  upstreams: Optional(list(upstream, { description: 'The services behind the gateway.', default: [], expects: 'a list of groups of settings, each with a prefix and a target' }))
}, { description: 'The configuration of Portcullis.' })

/** The configuration as users write it. */
export type ConfigInput = Static<typeof configSchema>

/** Returns its argument; it gives a TypeScript configuration its types. */
export function defineConfig (input: ConfigInput): ConfigInput {
  return input
}

/** The settings with every default filled in. */
export type Settings = Complete<typeof configSchema>
