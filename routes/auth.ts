import type { FastifyInstance } from 'fastify'
import { AudienceUnknownError, MediaTypeUnsupportedError, SessionInvalidError } from '../lib/errors.ts'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../lib/http/type-provider.ts'
import { refresh } from '../sign-in/refresh.ts'
import { signIn } from '../sign-in/sign-in.ts'
import { signOut } from '../sign-in/sign-out.ts'
import { stepUp } from '../sign-in/step-up.ts'
import { createWays, type WaysOptions } from '../sign-in/ways.ts'
import { createLoginSchema, createStepUpSchema, logoutSchema, refreshSchema, sessionSchema } from './auth/schemas.ts'
import { acceptJsonAlone } from './auth/json-alone.ts'
import { noStore } from './auth/no-store.ts'

export interface AuthRoutesOptions extends WaysOptions {
  /** The audience of these routes and of the session routes. */
  origin: string
  /** The audiences that a client may request tokens for, besides `origin`. */
  audiences: string[]
}

/** Registers sign-in, refresh, step-up, sign-out, and the current session. Register with a prefix, `/auth`. */
export default async function authRoutes (fastify: FastifyInstance, { origin, audiences, ...waysOptions }: AuthRoutesOptions): Promise<void> {
  const { portcullis } = fastify
  const ways = createWays(waysOptions)
  const app = fastify.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  acceptJsonAlone(app)
  refuseForms(app)
  app.addHook('onRequest', portcullis.refuseForeign)
  app.addHook('onSend', noStore)

  app.post('/login', { schema: createLoginSchema(ways) }, async (request, reply) => {
    const { mode = 'session', audience, ...posted } = request.body
    const granted = grantedAudiences(audience, origin, audiences)
    return await signIn(reply, { ways, posted, mode, audiences: mode === 'tokens' || granted.includes(origin) ? granted : [...granted, origin], portcullis })
  })

  app.post('/refresh', { schema: refreshSchema }, async (request, reply) => {
    const audience = request.body?.audience
    const narrowed = audience === undefined ? {} : { audience: grantedAudiences(audience, origin, audiences) }
    return await refresh(reply, { ...narrowed, portcullis })
  })

  app.post('/step-up', { schema: createStepUpSchema(ways) }, async (request, reply) => await stepUp(request, reply, { ways, posted: request.body, origin, portcullis }))

  app.post('/logout', { schema: logoutSchema }, async (request, reply) => {
    await signOut(request, reply, { scope: request.body?.scope ?? 'this', origin, portcullis })
    return await reply.code(204).send()
  })

  app.get('/session', { schema: sessionSchema, onRequest: portcullis.authenticate({ audience: origin, isUse: false }) }, async request => {
    const { sid, authTime, acr, amr } = request.identity
    const record = sid === null ? null : await portcullis.session.read(sid)
    if (record === null) throw new SessionInvalidError()
    // The authentication is that of the credential: after a step-up, an older access token of the session gets what services read
    // in that token.
    return { session: { ...portcullis.session.view(record), auth_time: authTime, acr, amr: [...amr] } }
  })
}

/** Rejects forms, which only the pages accept. The error names the page to an application whose sign-out button posts a form here. */
function refuseForms (app: FastifyInstance): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', (request, _payload, done) => {
    const detail = request.routeOptions.url === `${app.prefix}/logout` ? `body is not JSON: a form signs out at ${app.prefix}/sign-out, with pages: true` : undefined
    done(Object.assign(new MediaTypeUnsupportedError(), { detail }))
  })
}

/** Returns the requested audiences, or all. A request may give `origin` literally or by its name. */
function grantedAudiences (asked: string[] | undefined, origin: string, audiences: string[]): string[] {
  if (asked === undefined) return [...audiences, origin]
  const known = asked.map(name => name === 'origin' && !audiences.includes('origin') ? origin : name)
  if (!known.every(name => name === origin || audiences.includes(name))) throw new AudienceUnknownError()
  return [...new Set(known)]
}
