import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { CookieDuplicateError, CredentialsMissingError, CsrfRefusedError, DeviceProofRequiredError, RateLimitedError, SessionInvalidError, StoreUnavailableError } from '../lib/errors.ts'
import { bodyErrors, budgetHeaders, counted, json, noStoreHeader, problems, required, sometimes, type Operation } from '../lib/http/route-schema.ts'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../lib/http/type-provider.ts'
import { checkOptions } from '../lib/check-options.ts'
import { proveDevice } from '../sign-in/prove-device.ts'
import { acceptJsonAlone, noStore } from './json-api.ts'
import { needParts, noOptions } from './options.ts'

const tags = ['Devices']
const credentials = { 'x-credentials': ['sessionCookie'] } satisfies Partial<Operation>
const described = counted(problems(...bodyErrors, CookieDuplicateError, CredentialsMissingError, SessionInvalidError, CsrfRefusedError, DeviceProofRequiredError, RateLimitedError, StoreUnavailableError))
const errors = { ...described, 403: { ...described['403']!, headers: { ...described['403']!.headers, 'Secure-Session-Challenge': sometimes('The challenge to sign, if the session has a device.') } } }

const Instructions = Type.Object({
  session_identifier: Type.String({ description: 'Public id of the session.' }),
  refresh_url: Type.String(),
  scope: Type.Object({ origin: Type.String(), include_site: Type.Literal(false), scope_specification: Type.Array(Type.Never()) }, { additionalProperties: false }),
  credentials: Type.Array(Type.Object({ type: Type.Literal('cookie'), name: Type.String(), attributes: Type.String() }, { additionalProperties: false }))
}, { title: 'SessionInstructions', description: 'The cookie that the browser renews, and how (Device Bound Session Credentials).', additionalProperties: false })

const response = {
  200: json(Instructions, 'The device cookie, and the challenge of the next proof.', { ...noStoreHeader, ...budgetHeaders, 'Set-Cookie': required('The device cookie.'), 'Secure-Session-Challenge': required('The challenge to sign for the next proof.') }),
  ...errors
}

const registerSchema = {
  ...{ operationId: 'registerDevice', tags, summary: 'Bind the session to the browser\'s device', description: 'Exists only with session.deviceBound. Browsers call it by themselves after a sign-in; Secure-Session-Response carries the proof.', ...credentials } satisfies Operation,
  response
}

const refreshSchema = {
  ...{ operationId: 'refreshDevice', tags, summary: 'Renew the device cookie', description: 'Exists only with session.deviceBound. Browsers call it by themselves: Sec-Secure-Session-Id names the session, and Secure-Session-Response carries the proof. Without a proof, Secure-Session-Challenge of the 403 response carries the challenge to sign.', ...credentials } satisfies Operation,
  response
}

/** Binds sessions to devices and renews device cookies. Register with the path of `portcullis-device-bound` as prefix, `/auth/device`. */
export default async function deviceRoutes (fastify: FastifyInstance, options: object = {}): Promise<void> {
  checkOptions('deviceRoutes', noOptions, options)
  const portcullis = needParts(fastify, 'deviceRoutes', ['session', 'deviceBound', 'authenticate'])
  const app = fastify.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  acceptJsonAlone(app)
  app.addHook('onRequest', portcullis.refuseForeign)
  app.addHook('onSend', noStore)

  app.post('/register', { schema: registerSchema }, async (_request, reply) => await proveDevice(reply, portcullis, async record => await portcullis.deviceBound.register(reply, record)))
  app.post('/refresh', { schema: refreshSchema }, async (_request, reply) => await proveDevice(reply, portcullis, async record => await portcullis.deviceBound.refresh(reply, record)))
}
