import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { ConfigInvalidError } from '../lib/errors.ts'
import { providerNames } from '../plugins/authenticate/login-urls.ts'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'
import { assertHooks, type SignInHooks } from '../sign-in/hooks.ts'
import type { WaysOptions } from '../sign-in/ways.ts'

/* Checks of the registration of routes: a mistake must end the start with its name, and not a request much later. */

/** Options of routes by which subjects sign in. */
export const origin = Type.String({ minLength: 1, errorMessage: 'must be the origin that browsers use, such as https://app.example.com' })
export const signInOptions = {
  origin,
  audiences: Type.Array(Type.String({ minLength: 1 }), { errorMessage: 'must be a list of names' }),
  identity: Type.Optional(Type.Unsafe<NonNullable<WaysOptions['identity']>>(Type.Object({}, { errorMessage: 'must be an object with a method verify' }))),
  hooks: Type.Optional(Type.Unsafe<SignInHooks>(Type.Object({}, { errorMessage: 'must be an object of functions' })))
}

/** Schema of routes without options. */
export const noOptions = Type.Object({}, { additionalProperties: false })

/** Plugins that provide the parts that routes need, in the order of registration. */
const plugins = {
  store: 'portcullis-store',
  cookies: 'portcullis-cookies',
  blocklist: 'portcullis-blocklist',
  health: 'portcullis-health',
  metrics: 'portcullis-metrics',
  keys: 'portcullis-keys',
  session: 'portcullis-session',
  deviceBound: 'portcullis-device-bound',
  authenticate: 'portcullis-authenticate',
  secondFactor: 'portcullis-second-factor',
  oidc: 'portcullis-oidc'
} as const

type Needed = keyof typeof plugins & keyof Portcullis

/** Returns the parts of the scope. Throws ConfigInvalidError that names the plugins that the routes need and that are not registered. */
export function needParts (fastify: FastifyInstance, routes: string, parts: Needed[]): Portcullis {
  const portcullis: Portcullis = 'portcullis' in fastify ? fastify.portcullis : {} as Portcullis
  const missing = (Object.keys(plugins) as Needed[]).filter(part => parts.includes(part) && partOrNull(portcullis, part) === null).map(part => plugins[part])
  if (missing.length > 0) throw new ConfigInvalidError(`${routes}: register ${new Intl.ListFormat('en-GB').format(missing)} before it, in the same scope or in one around it`)
  return portcullis
}

/** Checks the functions of the options of routes by which subjects sign in, and that the plugins that these use are registered. */
export function checkSignIn (fastify: FastifyInstance, routes: string, { identity, hooks }: WaysOptions & { hooks?: SignInHooks }): Portcullis {
  if (identity === undefined) return checkProviders(fastify, routes, hooks)
  if (typeof identity.verify !== 'function') throw new ConfigInvalidError(`${routes}: identity must be an object with a method verify`)
  const { verifyChallenge } = identity as { verifyChallenge?: unknown }
  if (verifyChallenge !== undefined && typeof verifyChallenge !== 'function') throw new ConfigInvalidError(`${routes}: identity.verifyChallenge must be a function`)
  if (hooks !== undefined) assertHooks(routes, hooks)
  return needParts(fastify, routes, ['store', 'cookies', 'blocklist', 'session', 'authenticate', ...verifyChallenge === undefined ? [] : ['secondFactor' as const]])
}

/** Checks routes by which subjects sign in with identity providers alone. */
function checkProviders (fastify: FastifyInstance, routes: string, hooks: SignInHooks | undefined): Portcullis {
  if (hooks !== undefined) assertHooks(routes, hooks)
  const portcullis = needParts(fastify, routes, ['store', 'cookies', 'blocklist', 'session', 'authenticate'])
  if (providerNames(portcullis).length === 0) throw new ConfigInvalidError(`${routes}: identity is required, unless portcullis-oidc is registered before it`)
  return portcullis
}
