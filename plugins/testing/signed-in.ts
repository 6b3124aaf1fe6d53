import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { ConfigInvalidError } from '../../lib/errors.ts'
import type { SessionMode } from '../../lib/session/record.ts'
import type { SignIn } from '../../lib/session/sign-in.ts'
import { partOrNull, scopeParts, type Portcullis } from '../portcullis.ts'

/** A subject that a test signs in, and the credential that it receives. */
export interface SignedIn extends SignIn {
  /** `session`: a session cookie; `tokens`: an access token. Default `session`. */
  mode?: SessionMode
}

/** Headers of a request, for `inject` or `fetch`. */
export type CredentialHeaders = { cookie: string } | { authorization: string }

/**
 * Signs a subject in without a route, and returns the headers of its requests. The session is opened in the store of the application, as
 * `reply.openSession` or `reply.openFamily` opens it, and its credential is verified like any other: nothing is bypassed. `app` is the scope
 * whose sessions these are.
 */
export async function signedIn (app: FastifyInstance, { mode = 'session', ...signIn }: SignedIn): Promise<CredentialHeaders> {
  await serverOf(app).ready()
  const parts = scopeParts(app)
  if (mode === 'tokens') return { authorization: `Bearer ${await openTokens(parts, signIn)}` }
  return { cookie: await openCookie(parts, signIn) }
}

/** Returns the server of a scope, because only a server can be made ready. */
function serverOf (scope: FastifyInstance): FastifyInstance {
  const outer = Object.getPrototypeOf(scope) as FastifyInstance
  return 'decorate' in outer ? serverOf(outer) : scope
}

async function openCookie (parts: Portcullis, signIn: SignIn): Promise<string> {
  const { cookies } = assertSessions(parts)
  const { lines } = await reply(async reply => await parts.session.open(reply, signIn))
  const { name } = cookies.describe('session')
  const line = lines.find(line => line.startsWith(`${name}=`))
  if (line === undefined) throw new Error('signedIn: no session cookie was set')
  return line.split(';')[0]!
}

async function openTokens (parts: Portcullis, signIn: SignIn): Promise<string> {
  const refreshToken = partOrNull(parts, 'refreshToken')
  if (refreshToken !== null) return (await reply(async reply => await refreshToken.open(reply, signIn))).result.access_token
  const accessToken = partOrNull(parts, 'accessToken')
  if (accessToken === null) throw new ConfigInvalidError('signedIn: mode tokens needs portcullis-refresh-token or portcullis-access-token in this scope')
  const { session } = assertSessions(parts)
  const { result } = await reply(async reply => await session.open(reply, signIn))
  const record = await session.read(result.session.sid)
  if (record === null) throw new Error('signedIn: the session has ended already')
  return accessToken.issue(record, { audience: record.audiences, generation: null })
}

function assertSessions (parts: Portcullis): Portcullis {
  if (partOrNull(parts, 'session') === null) throw new ConfigInvalidError('signedIn: needs portcullis-session in this scope')
  return parts
}

/** Runs an action with the reply of a request that no other server sees. Returns its result, and the cookies that it has set. */
async function reply<Result> (act: (reply: FastifyReply) => Promise<Result>): Promise<{ result: Result, lines: string[] }> {
  const server = Fastify()
  let outcome: { result: Result } | { error: unknown } | null = null
  server.get('/', async (_request, reply) => {
    outcome = await act(reply).then(result => ({ result }), (error: unknown) => ({ error }))
    return ''
  })
  const { headers } = await server.inject('/')
  await server.close()
  const ended = outcome as { result: Result } | { error: unknown } | null
  if (ended === null) throw new Error('signedIn: the request was not handled')
  if ('error' in ended) throw ended.error
  return { result: ended.result, lines: [headers['set-cookie'] ?? []].flat() }
}
