import formbody from '@fastify/formbody'
import Fastify, { type FastifyInstance } from 'fastify'
import { authenticate, blocklist, cookies, errors, pagesRoutes, rateLimit, serverOptions, session, store } from '../../index.ts'
import { checkPassword } from '../users.ts'

const origin = 'http://localhost:3000'
const audience = 'notes'
/** Codes of the errors that a sign-in resolves. */
const needsSignIn = ['PTC_ERR_CREDENTIALS_MISSING', 'PTC_ERR_SESSION_INVALID']

/** Builds an application whose pages are rendered by the server: the sign-in page and the account page of Portcullis, and its own forms. */
export async function build (): Promise<FastifyInstance> {
  const app = Fastify(serverOptions({ origin }))
  await app.register(errors, {
    origin,
    format (problem, request, reply) {
      if (request.method !== 'GET' || !needsSignIn.includes(problem.code)) return problem
      reply.redirect(`/auth/sign-in?return_to=${encodeURIComponent(request.url)}`, 303)
      return undefined // the response is sent
    }
  })
  await app.register(store, { path: ':memory:' }) // production: a file, or { type: 'redis', url }
  await app.register(rateLimit)
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(session)
  await app.register(authenticate, { origin })
  await app.register(pagesRoutes, { prefix: '/auth', origin, audiences: [audience], identity: { verify: checkPassword } })

  await app.register(async notes => {
    await notes.register(formbody)
    // Every route of this scope requires a session. A form that another site submits is refused with 403, so no form needs a CSRF token.
    notes.addHook('onRequest', notes.portcullis.authenticate({ audience, access: 'session' }))

    const texts = new Map<string, string[]>()
    notes.get('/', async ({ identity }, reply) => {
      const items = (texts.get(identity.subject) ?? []).map(text => `<li>${escape(text)}</li>`).join('')
      return await reply.type('text/html; charset=utf-8').send(`<!doctype html><html lang="en"><title>Notes</title><h1>Notes of ${escape(identity.subject)}</h1><ul>${items}</ul>
<form method="post" action="/notes"><label>Note <input name="text" required></label> <button>Add</button></form>
<form method="post" action="/auth/sign-out"><button>Sign out</button></form>`)
    })
    notes.post<{ Body: { text: string } }>('/', { schema: { body: { type: 'object', required: ['text'], properties: { text: { type: 'string', maxLength: 1000 } } } } }, async ({ identity, body }, reply) => {
      texts.set(identity.subject, [...texts.get(identity.subject) ?? [], body.text])
      return await reply.redirect('/notes', 303)
    })
  }, { prefix: '/notes' })
  return app
}

function escape (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

if (import.meta.main) console.log(await (await build()).listen({ port: 3000 }))
