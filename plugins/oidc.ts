import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { checkOptions } from '../lib/check-options.ts'
import { ConfigInvalidError } from '../lib/errors.ts'
import { optional, optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import { secretOption } from '../lib/settings/secret.ts'
import { deriveSecrets } from './keys.ts'
import { createClient } from './oidc/create-client.ts'
import { createLogins } from './oidc/logins.ts'
import type { OnSignIn } from './oidc/part.ts'
import { providerOptions, type ProviderOptions } from './oidc/provider-options.ts'
import { addPart, beginPart, partOrNull } from './portcullis.ts'

export type { ProviderOptions } from './oidc/provider-options.ts'
export type { OnSignIn, OnSignInFacts } from './oidc/part.ts'

const own = {
  /** Identity providers at which users sign in, each with another name. */
  providers: Type.Array(providerOptions, { minItems: 1 }),
  /** Secret that seals sign-ins under way and ID tokens; at least 32 bytes, base64url. A list serves to change it: the first one seals. */
  secret: secretOption,
  /** Prefix of the routes that complete sign-ins (portcullis/routes/providers). Default /auth. */
  prefix: optional('/auth', Type.String({ pattern: '^/[A-Za-z0-9/_-]*$', errorMessage: 'must be a path such as /auth' })),
  /** Function that runs when a provider has authenticated a user, and may change the sign-in or refuse it by throwing. */
  onSignIn: Type.Optional(Type.Unsafe<OnSignIn>(Type.Function([], Type.Unknown(), { errorMessage: 'must be a function' })))
}

export interface OidcOptions extends Omit<OptionsFrom<Record<never, never>, typeof own>, 'providers'> {
  /** Identity providers at which users sign in, each with another name. */
  providers: ProviderOptions[]
}

const Options = optionsOf({}, own)

/** Sign-in at identity providers (OpenID Connect). Register the routes of portcullis/routes/providers as well. */
export default fp<OidcOptions>(async function oidcPlugin (fastify, options) {
  const { providers: given, secret, prefix, onSignIn = null } = checkOptions('portcullis-oidc', Options, options)
  const portcullis = beginPart(fastify, 'oidc')
  const names = given.map(({ name }) => name)
  if (new Set(names).size < names.length) throw new ConfigInvalidError('portcullis-oidc: every provider must have another name, because the subjects of its users begin with it')
  const health = partOrNull(portcullis, 'health')
  const clients = await Promise.all(given.map(async provider => await createClient(provider, {
    redirectUri: `${portcullis.cookies.origin}${prefix}/callback/${provider.name}`,
    now: portcullis.clock,
    onProblem (problem) {
      if (problem === null) fastify.log.info({ provider: provider.name }, 'the identity provider answers')
      else fastify.log.error({ provider: provider.name, problem }, 'the identity provider cannot be used')
    }
  })))
  for (const client of clients) health?.warnWhile(() => client.problem() === null ? null : `identity: ${client.name}: ${client.problem()}`)
  addPart(fastify, 'oidc', { providers: new Map(clients.map(client => [client.name, client])), onSignIn, logins: createLogins(portcullis, deriveSecrets('portcullis-oidc', secret)) })
  // The start does not wait for the providers, so that an unavailable one does not lock out the users of others.
  fastify.addHook('onReady', async () => { for (const client of clients) client.prepare().catch(() => {}) })
  fastify.addHook('onClose', async () => { await Promise.all(clients.map(client => client.stop())) })
}, { name: 'portcullis-oidc', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-cookies', 'portcullis-session', 'portcullis-blocklist'] })
