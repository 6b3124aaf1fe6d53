import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import {
  CookieDuplicateError, CredentialsAmbiguousError, CredentialsMissingError, CsrfRefusedError, IssuerUnavailableError, NotFoundError,
  SessionInvalidError, SessionNotFoundError, StepUpRequiredError, StoreUnavailableError, TokenInvalidError
} from '../lib/errors.ts'
import { bodyErrors, empty, json, noStoreHeader, problems, type Operation } from '../lib/http/route-schema.ts'
import { Session } from '../lib/session/view.ts'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../lib/http/type-provider.ts'
import { checkOptions } from '../lib/check-options.ts'
import { endSession } from '../sign-in/end-session.ts'
import { acceptJsonAlone, noStore } from './json-api.ts'
import { needParts, origin } from './options.ts'

export interface SessionsRoutesOptions {
  /** The audience of these routes. */
  origin: string
}

const tags = ['Sessions']
const credentials = { 'x-credentials': ['sessionCookie', 'accessToken'] } satisfies Partial<Operation>
const errors = [CookieDuplicateError, CredentialsAmbiguousError, CredentialsMissingError, SessionInvalidError, TokenInvalidError, StoreUnavailableError, IssuerUnavailableError]

const Listed = Type.Object({ ...Session.properties, current: Type.Boolean({ description: 'Whether it is the session of the request.' }) }, { title: 'ListedSession', additionalProperties: false })

const listSchema = {
  ...{ operationId: 'listSessions', tags, summary: 'List the subject\'s sessions', ...credentials } satisfies Operation,
  response: { 200: json(Type.Object({ sessions: Type.Array(Listed) }, { additionalProperties: false }), 'The sessions that have not ended, newest first.', noStoreHeader), ...problems(...errors) }
}

const endSchema = {
  ...{ operationId: 'endSession', tags, summary: 'End one of the subject\'s sessions', description: 'Ending another session than that of the request requires an authentication within the last five minutes.', ...credentials } satisfies Operation,
  params: Type.Object({ sid: Type.String({ description: 'Its public id.' }) }),
  response: { 204: empty('The change is durable.', noStoreHeader), ...problems(...errors, ...bodyErrors, CsrfRefusedError, StepUpRequiredError, SessionNotFoundError, NotFoundError) }
}

const Options = Type.Object({ origin }, { additionalProperties: false })

/** Registers the routes by which a subject lists and ends its sessions. Register with a prefix, `/auth/sessions`. */
export default async function sessionsRoutes (fastify: FastifyInstance, options: SessionsRoutesOptions): Promise<void> {
  const { origin } = checkOptions('sessionsRoutes', Options, options)
  const portcullis = needParts(fastify, 'sessionsRoutes', ['session', 'blocklist', 'authenticate'])
  const app = fastify.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  acceptJsonAlone(app)
  app.addHook('onRequest', portcullis.refuseForeign)
  app.addHook('onRequest', portcullis.authenticate({ audience: origin }))
  app.addHook('onSend', noStore)

  // The path '/' would add a second address, with a trailing slash.
  app.get('', { schema: listSchema }, async ({ identity }) => {
    const records = await portcullis.session.list(identity.subject)
    return { sessions: records.map(record => ({ ...portcullis.session.view(record), current: record.sid === identity.sid })) }
  })

  app.delete('/:sid', { schema: endSchema }, async (request, reply) => {
    await endSession(request, { sid: request.params.sid, by: request.identity, portcullis })
    return await reply.code(204).send()
  })
}
