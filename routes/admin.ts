import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { checkOptions } from '../lib/check-options.ts'
import { readBearer } from '../lib/http/credentials.ts'
import { foreignReason, isForeign } from '../lib/http/csrf.ts'
import { CredentialsAmbiguousError, CredentialsMissingError, CsrfRefusedError, RequestInvalidError, SessionNotFoundError, StoreUnavailableError, TokenInvalidError } from '../lib/errors.ts'
import { publish, sourceOf } from '../lib/events.ts'
import { loggedPath } from '../lib/http/logged-path.ts'
import { isClaimText } from '../lib/revocation/revocable-claims.ts'
import { equalInConstantTime, sha256 } from '../lib/secrets.ts'
import { bodyErrors, empty, json, noStoreHeader, problems, type Operation } from '../lib/http/route-schema.ts'
import { sidPattern } from '../lib/session/sid.ts'
import { Session } from '../lib/session/view.ts'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../lib/http/type-provider.ts'
import { acceptJsonAlone, noStore } from './json-api.ts'
import { needParts } from './options.ts'

export interface AdminRoutesOptions {
  /** The token that `Authorization: Bearer` has to carry; at least 16 characters. */
  token: string
  /**
   * The `iss` values of accepted tokens. A revocation under any other issuer is rejected, because it would match no token. Default:
   * any issuer.
   */
  issuers?: readonly string[]
}

const leastLength = 16

/** The operator in events: the bearer of the admin token. */
const by = 'admin'

const Name = Type.String({ minLength: 1, maxLength: 1024 })
const Revocation = Type.Union([
  Type.Object({ sid: Type.String({ pattern: sidPattern }) }, { additionalProperties: false }),
  Type.Object({ subject: Name }, { additionalProperties: false }),
  Type.Object({ jti: Name, issuer: Type.Optional(Type.String({ ...Name, description: 'The iss of the token.' })) }, { additionalProperties: false })
], { errorMessage: 'must be { sid }, { subject } or { jti, issuer? }' })

const tags = ['Administration']
const credentials = { 'x-credentials': ['adminToken'] } satisfies Partial<Operation>
const errors = [CredentialsAmbiguousError, CredentialsMissingError, TokenInvalidError, CsrfRefusedError, StoreUnavailableError]

const sessionsSchema = {
  ...{ operationId: 'listSessionsOf', tags, summary: 'List the sessions of a subject', ...credentials } satisfies Operation,
  querystring: Type.Object({ subject: Name }),
  response: { 200: json(Type.Object({ sessions: Type.Array(Session) }, { additionalProperties: false }), 'The sessions that have not ended, newest first.', noStoreHeader), ...problems(...errors) }
}

const revocationErrors = [...errors, ...bodyErrors, SessionNotFoundError]

const revocationsSchema = {
  ...{ operationId: 'revoke', tags, summary: 'Revoke a session, a subject\'s sessions, or a token', ...credentials } satisfies Operation,
  body: Revocation,
  response: { 202: empty('The change is durable.', noStoreHeader), ...problems(...revocationErrors) }
}

const Options = Type.Object({
  token: Type.String({ minLength: leastLength, errorMessage: `must have at least ${leastLength} characters` }),
  issuers: Type.Optional(Type.Array(Type.String(), { errorMessage: 'must be a list of texts' }))
}, { additionalProperties: false })

/**
 * Registers the routes by which operators list and revoke the sessions of any subject. Register with a prefix, `/admin`, on a
 * listener that only operators reach.
 */
export default async function adminRoutes (fastify: FastifyInstance, options: AdminRoutesOptions): Promise<void> {
  const { token, issuers } = checkOptions('adminRoutes', Options, options)
  const portcullis = needParts(fastify, 'adminRoutes', ['session', 'blocklist'])
  const app = fastify.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  acceptJsonAlone(app)
  app.addHook('onRequest', async request => {
    refuseOtherSites(request)
    assertToken(request, token)
  })
  app.addHook('onSend', noStore)

  app.get('/sessions', { schema: sessionsSchema }, async request => {
    const { subject } = request.query
    const records = await portcullis.session.list(subject)
    publish({ event: 'sessions.listed', subject, ...sourceOf(request), by, sessions: records.length }, portcullis)
    return { sessions: records.map(record => portcullis.session.view(record)) }
  })

  app.post('/revocations', { schema: revocationsSchema }, async (request, reply) => {
    const { body } = request
    if (!Object.values(body).every(isClaimText)) throw new RequestInvalidError({ cause: new Error('a name that no token or session can have') })
    if ('jti' in body && body.issuer !== undefined && issuers?.includes(body.issuer) === false) throw unknownIssuer(issuers)
    const ended = 'subject' in body ? { sessions: (await portcullis.session.list(body.subject)).length } : {}
    await portcullis.blocklist.revoke(body, { ...sourceOf(request), by, ...ended })
    return await reply.code(202).send()
  })
}

/** Rejects requests that a browser sends on behalf of any page: a browser on the operator's machine reaches loopback too. */
export function refuseOtherSites (request: FastifyRequest): void {
  if (!isForeign(request.headers, '')) return
  publish({ event: 'csrf.refused', ...sourceOf(request), method: request.method, path: loggedPath(request.originalUrl), outcome: 'admin' }, request.server.portcullis)
  throw new CsrfRefusedError({ cause: new Error(foreignReason(request.headers)) })
}

function unknownIssuer (issuers: readonly string[]): Error {
  return Object.assign(new RequestInvalidError(), { detail: `body.issuer must be the iss of the token: ${issuers.join(' or ')}` })
}

/** Compares digests, so that timing does not reveal the length of the token. */
function assertToken (request: FastifyRequest, token: string): void {
  const presented = readBearer(request.raw)
  if (presented === null) throw new CredentialsMissingError({ cause: new Error('no admin token') })
  if (!equalInConstantTime(sha256(presented), sha256(token))) throw new TokenInvalidError({ cause: new Error('not the admin token') })
}
