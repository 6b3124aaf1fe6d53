import type { FastifyReply } from 'fastify'
import { LoginRefusedError } from '../lib/errors.ts'
import { isClaimText } from '../lib/revocation/revocable-claims.ts'
import type { SessionMode } from '../lib/session/record.ts'
import type { SignIn } from '../lib/session/sign-in.ts'
import type { SessionView } from '../lib/session/view.ts'
import type { Portcullis } from '../plugins/portcullis.ts'
import type { TokenResponse } from '../plugins/refresh-token/refresh-tokens.ts'
import { epochNow, isCutOff } from './cuts.ts'
import { hasHook, runAfter, runBefore } from './hooks.ts'

export interface OpenOptions {
  mode: SessionMode
  /** The audiences of the session. */
  audiences: string[]
  portcullis: Portcullis
}

/** Opens a session for a subject that has authenticated completely, between the hooks of the application. */
export async function open (reply: FastifyReply, authenticated: SignIn, options: OpenOptions): Promise<{ session: SessionView } | TokenResponse> {
  const { mode, audiences, portcullis } = options
  const signIn = hasHook(portcullis, 'beforeSignIn') ? await beforeSignIn(reply, authenticated, options) : authenticated
  const opened = mode === 'session'
    ? await reply.openSession({ ...signIn, audiences })
    : await reply.openFamily({ ...signIn, audiences })
  await runAfter('afterSignIn', reply.request, { mode, session: opened.session }, portcullis)
  return opened
}

/** Runs the hooks, which may take time: a subject that is signed out everywhere meanwhile is refused. */
async function beforeSignIn (reply: FastifyReply, authenticated: SignIn, { mode, audiences, portcullis }: OpenOptions): Promise<SignIn> {
  const { subject, username = subject, scopes = [], acr = '1', amr = ['pwd'] } = authenticated
  if (!isClaimText(subject)) throw new LoginRefusedError({ cause: new Error('no subject, or one that could not be revoked') })
  const epoch = await epochNow(subject, portcullis)
  const change = await runBefore('beforeSignIn', reply.request, { subject, username, scopes, audiences, acr, amr, mode }, portcullis)
  if (await isCutOff(subject, epoch, portcullis)) throw new LoginRefusedError({ cause: new Error('signed out everywhere while hooks.beforeSignIn ran') })
  return { ...authenticated, ...change }
}
