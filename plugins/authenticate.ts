import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { METHODS } from 'node:http'
import { isSafe } from '../lib/http/csrf.ts'
import { ConfigInvalidError, CredentialsMissingError } from '../lib/errors.ts'
import type { Identity } from '../lib/identity.ts'
import { DurationOption, checkOptions, durationMs, type Duration } from '../lib/check-options.ts'
import { asError } from '../lib/as-error.ts'
import { accesses, type Access } from '../lib/settings/upstream.ts'
import { assertRecent, credentialsFor, type Demand, Judge } from './authenticate/judge.ts'
import { documentHook, documentRoutes } from './authenticate/openapi.ts'
import type { Scheme } from './authenticate/scheme.ts'
import { pluginsFor } from './authenticate/schemes.ts'
import type { VerificationCounts } from './authenticate/verifier.ts'
import { addPart, beginPart, partOrNull } from './portcullis.ts'

export const identityOf: unique symbol = Symbol('identity')

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The caller behind the request. Reading it throws on a route without requirements, and on a public route without a valid credential.
     */
    readonly identity: Identity
    /** The caller behind a request to a public route; null without a valid credential. */
    readonly identityOrNull: Identity | null
    [identityOf]: Identity | null
  }
}

declare module './portcullis.ts' {
  interface Portcullis {
    /** Creates the `onRequest` hook of a route or a scope, which admits only requests with a valid credential. */
    authenticate: (demand: AuthenticateDemand) => onRequestHookHandler
    /**
     * Judges a request as the hook of `authenticate` does, for a handler that must inspect the request before it knows its requirements.
     * Sets `request.identity`. If access is public and no valid credential was presented, rejects with CredentialsMissingError.
     */
    identify: (request: FastifyRequest, demand: AuthenticateDemand) => Promise<Identity>
    /**
     * Throws StepUpRequiredError with its challenge unless the authentication is at most `maxAgeSeconds` old (RFC 9470). For a session of an
     * identity provider, `provider` is its name; the problem then says where the user authenticates again.
     */
    assertRecent: (authTime: number, maxAgeSeconds: number, provider?: string | null) => void
    /** Outcomes of the presented credentials. */
    readonly verifications: VerificationCounts
    /** The `onRequest` hook that rejects state changes caused by another site. */
    refuseForeign: onRequestHookHandler
  }
}

const Options = Type.Object({ origin: Type.String({ minLength: 1 }) }, { additionalProperties: false })

export interface AuthenticateOptions {
  /** Origin that browsers see. Other origins may not cause state changes. */
  origin: string
}

/** An HTTP method. A requirement for an unknown method would never apply. */
const Method = Type.Union(METHODS.map(name => Type.Literal(name)), { errorMessage: 'must be an HTTP method in capitals' })

/** A value that a challenge can name: `acr_values` separates them by spaces. */
const Acr = Type.String({ pattern: '^[!#-\\[\\]-~]+$' })

/** Requirements of a route; docs/guides/composing.md has a row for each of them. */
export const Demanded = Type.Object({
  audience: Type.Optional(Type.String({ minLength: 1 })),
  access: Type.Union(accesses.map(name => Type.Literal(name)), { default: 'any', errorMessage: `must be ${new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(accesses)}` }),
  scopes: Type.Array(Type.String({ pattern: '^[!#-\\[\\]-~]+$' }), { default: [] }),
  acr: Type.Optional(Type.Union([Acr, Type.Array(Acr, { minItems: 1 })], { errorMessage: 'must be a value without spaces and quotes, or a list of them' })),
  amr: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1, errorMessage: 'must be a list of methods, such as otp' })),
  stepUp: Type.Optional(Type.Object({ maxAge: DurationOption, methods: Type.Optional(Type.Array(Method, { minItems: 1 })) }, { additionalProperties: false })),
  consistency: Type.Union([Type.Literal('replica'), Type.Literal('strict')], { default: 'replica', errorMessage: 'must be replica or strict' }),
  isUse: Type.Boolean({ default: true }),
  ignoreBearer: Type.Boolean({ default: false })
}, { additionalProperties: false })

/** Requirements of a route. The names are those of an upstream in the configuration. */
export interface AuthenticateDemand {
  /**
   * Audience for which the credential must be valid; required unless `access` is `public`. A token of another audience is rejected with 401
   * `PTC_ERR_TOKEN_INVALID`, a session that was opened for others with 403 `PTC_ERR_SCOPE_INSUFFICIENT`.
   */
  audience?: string | undefined
  /**
   * Credentials that the route takes: a session cookie, an access token, or any of them. `public` also admits requests without a valid
   * credential; their `identityOrNull` is null. Default `any`. Other requests are rejected with 401 `PTC_ERR_CREDENTIALS_MISSING`.
   */
  access?: Access | undefined
  /** Scopes that the credential must have, all of them. Default none. Rejects with 403 `PTC_ERR_SCOPE_INSUFFICIENT`. */
  scopes?: readonly string[] | undefined
  /**
   * Strength that the authentication must have, or a list of accepted ones; a higher number satisfies a lower one. Default: any. Rejects with
   * 401 `PTC_ERR_STEP_UP_REQUIRED`, whose challenge names the values.
   */
  acr?: string | readonly string[] | undefined
  /** Methods of which the authentication must have used all, such as `otp` (RFC 8176). Default none. Rejects with 401 `PTC_ERR_STEP_UP_REQUIRED`. */
  amr?: readonly string[] | undefined
  /** Requires a recent authentication. Default: any age. Rejects with 401 `PTC_ERR_STEP_UP_REQUIRED`. */
  stepUp?: StepUpDemand | undefined
  /**
   * `replica` judges by the memory of this process, which follows the store; `strict` queries the store for every request, and rejects with
   * 503 `PTC_ERR_STORE_UNAVAILABLE` if it does not answer. Default `replica`.
   */
  consistency?: 'replica' | 'strict' | undefined
  /** Whether a request extends the idle time of its session. Default true. */
  isUse?: boolean | undefined
  /** Whether the Authorization header belongs to another part of the application and is not read. Default false. */
  ignoreBearer?: boolean | undefined
}

/** The authentication that a route requires. */
export interface StepUpDemand {
  /** Maximum age of the authentication: a whole number with its unit, such as `5m`, or a number of milliseconds. Fractions of a second count as none. */
  maxAge: Duration
  /** Methods, in capitals, to which the requirement applies; GET includes HEAD. Default: every method. */
  methods?: readonly string[] | undefined
}

/**
 * Authenticates and authorizes requests: caller, audience, scopes, age of the authentication, and the site that caused the request. Access
 * tokens are accepted if portcullis-access-token is registered before.
 */
export default fp<AuthenticateOptions>(async function authenticatePlugin (fastify, options) {
  const { origin } = checkOptions('portcullis-authenticate', Options, options)
  const portcullis = beginPart(fastify, 'authenticate')
  const { store, blocklist } = portcullis
  const accessToken = partOrNull(portcullis, 'accessToken')
  const judge = new Judge(portcullis, origin)
  if (accessToken !== null && blocklist.maxTokenAgeMs < accessToken.ttlSeconds * 1000) throw new ConfigInvalidError('portcullis-authenticate: maxTokenAge of portcullis-blocklist must be at least ttl of portcullis-access-token, or revocations are forgotten too early')
  decorateRequest(fastify)
  addPart(fastify, 'verifications', judge.verifications)
  addPart(fastify, 'loginUrls', judge.loginUrls)
  addPart(fastify, 'authenticate', demand => createHook(judge, demandOf(demand, judge.schemes)))
  documentRoutes(fastify)
  addPart(fastify, 'identify', async (request, demand) => await identify(judge, request, demandOf(demand, judge.schemes)))
  addPart(fastify, 'assertRecent', (authTime, maxAgeSeconds, provider = null) => {
    try {
      assertRecent({ authTime }, maxAgeSeconds, store)
    } catch (error) {
      throw judge.refusal(error, { ...credentialsFor('any', judge.schemes), scopes: [], stepUp: { maxAgeSeconds }, strength: null }, provider)
    }
  })
  addPart(fastify, 'refuseForeign', (request, _reply, done) => {
    try {
      if (!isSafe(request.method)) judge.assertOwn(request)
    } catch (error) {
      return done(asError(error))
    }
    done()
  })
}, { name: 'portcullis-authenticate', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-cookies', 'portcullis-session', 'portcullis-blocklist'] })

/** Adds the request decorators, unless a scope around this one has added them. Their values belong to the request. */
function decorateRequest (fastify: FastifyInstance): void {
  if (fastify.hasRequestDecorator('identity')) return
  fastify.decorateRequest(identityOf, null)
  fastify.decorateRequest('identityOrNull', { getter () { return this[identityOf] } })
  fastify.decorateRequest('identity', {
    getter () {
      const identity = this[identityOf]
      if (identity === null) throw new CredentialsMissingError({ cause: new Error('the route has no authenticate hook, or is public') })
      return identity
    }
  })
}

function demandOf (demand: AuthenticateDemand, schemes: readonly Scheme[]): Demand {
  const { access, stepUp, audience, acr, amr, ...rest } = checkOptions('portcullis.authenticate', Demanded, demand)
  if (audience === undefined && access !== 'public') throw new ConfigInvalidError('portcullis.authenticate: audience is required unless access is public')
  const credentials = credentialsFor(access, schemes)
  if (credentials.schemes.length === 0) throw new ConfigInvalidError(`portcullis.authenticate: access: ${access} needs ${pluginsFor(access)}; register it before portcullis-authenticate`)
  return {
    ...rest,
    ...credentials,
    audience: audience ?? null,
    strength: acr === undefined && amr === undefined ? null : { acr: acr === undefined ? null : [acr].flat(), amr: amr ?? [] },
    stepUp: stepUp === undefined ? null : { maxAgeSeconds: Math.floor(durationMs(stepUp.maxAge) / 1000), methods: stepUp.methods === undefined ? null : withHead(stepUp.methods) }
  }
}

/** Adds HEAD to GET, because HEAD reveals what GET reveals. */
function withHead (methods: string[]): string[] {
  return methods.includes('GET') ? [...methods, 'HEAD'] : methods
}

function createHook (judge: Judge, demand: Demand): onRequestHookHandler {
  return documentHook(authenticateHook(judge, demand), demand)
}

/** Creates the hook. It is synchronous if everything is cached, and creates a promise only if the store must be queried. */
function authenticateHook (judge: Judge, demand: Demand): onRequestHookHandler {
  return function authenticate (request, _reply, done) {
    let identity: Identity | null | Promise<Identity | null>
    try {
      identity = judge.judge(request, demand)
    } catch (error) {
      return done(asError(error))
    }
    if (!(identity instanceof Promise)) {
      request[identityOf] = identity
      return done()
    }
    identity.then(judged => {
      request[identityOf] = judged
      done()
    }, (error: unknown) => done(asError(error)))
  }
}

async function identify (judge: Judge, request: FastifyRequest, demand: Demand): Promise<Identity> {
  const identity = await judge.judge(request, demand)
  request[identityOf] = identity
  if (identity === null) throw judge.refusal(new CredentialsMissingError({ cause: new Error('no credential that is good here') }), demand, null)
  return identity
}
