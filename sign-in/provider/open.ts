import type { FastifyReply } from 'fastify'
import { asError } from '../../lib/as-error.ts'
import { LoginForbiddenError, LoginInvalidError } from '../../lib/errors.ts'
import { countsFromMs, judgeCut, type SignInAfterCut } from '../../lib/oidc/cut-judgement.ts'
import type { LoginTransaction } from '../../lib/oidc/transaction.ts'
import { providerSubjectOf, type ProviderProof } from '../../lib/session/provider-session.ts'
import type { SignIn } from '../../lib/session/sign-in.ts'
import { describeError } from '../../plugins/errors.ts'
import type { OnSignInResult } from '../../plugins/oidc/part.ts'
import type { Admission } from '../../lib/oidc/admission.ts'
import type { Authenticated, Provider } from '../../plugins/oidc/provider.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'
import { hasHook, runAfter, runBefore } from '../hooks.ts'
import { refused, type Reason } from './refusal.ts'

export interface AtProviderOptions {
  provider: Provider
  transaction: LoginTransaction
  audiences: string[]
  portcullis: Portcullis
}

/** `again`: the provider must authenticate the user again before the sign-in counts. */
export type Opened = 'done' | 'again'

/** Opens a session for a user whom the provider has authenticated, between the hooks of the application. */
export async function openAtProvider (reply: FastifyReply, user: Authenticated, options: AtProviderOptions): Promise<Opened> {
  const { provider, audiences, portcullis } = options
  const { request } = reply
  const subject = providerSubjectOf({ name: provider.name, sub: user.sub })
  const refuse = (reason: Reason, error: Error): Error => refused(request, { provider: provider.name, reason, subject, portcullis }, error)
  const { scopes, claims } = admitted(user, options, refuse)
  const given = await askApplication(reply, async () => await portcullis.oidc.onSignIn?.(request, { provider: provider.name, sub: user.sub, subject, claims: structuredClone(user.claims), scopes: [...scopes] }), refuse)
  const described: SignIn & Required<Pick<SignIn, 'username' | 'scopes' | 'acr' | 'amr'>> = { subject, username: nameOf(user), scopes: given?.scopes ?? scopes, audiences, ...strengthOf(user), ...given?.data === undefined ? {} : { data: given.data } }
  const signIn = hasHook(portcullis, 'beforeSignIn')
    ? { ...described, ...await askApplication(reply, async () => await runBefore('beforeSignIn', request, { subject, username: described.username, scopes: described.scopes, audiences, acr: described.acr, amr: described.amr, mode: 'session' }, portcullis), refuse) }
    : described
  const proof = proofOf(user, claims, options)
  const open = async () => await portcullis.session.openFromProvider(reply, signIn, proof, { endsAtMs: user.sessionExpiry === null ? null : user.sessionExpiry * 1000 })
  let opened = await open()
  if (opened.outcome === 'cut') {
    const judgement = judgeCut({ cutMs: await portcullis.session.lastCutMs(subject), ...factsOf(user, options.transaction) })
    if (judgement === 'again') return 'again'
    if (judgement === 'refuse') throw refuse('not-recent', new LoginForbiddenError({ cause: new Error('the provider did not authenticate the user again after the last cut') }))
    opened = await open()
  }
  if (opened.outcome === 'cut') return 'again'
  if (opened.outcome !== 'opened') throw refuse('logged-out', new LoginInvalidError({ cause: new Error('the provider has ended its session meanwhile') }))
  await runAfter('afterSignIn', request, { mode: 'session', session: opened.session }, portcullis)
  return 'done'
}

/** Returns what the configuration grants. Throws LoginForbiddenError for a user whom it does not allow. */
export function admitted (user: Authenticated, { provider }: Pick<AtProviderOptions, 'provider'>, refuse: (reason: Reason, error: Error) => Error): Extract<Admission, { isAllowed: true }> {
  const admission = provider.admit(user)
  if (!admission.isAllowed) throw refuse('not-allowed', new LoginForbiddenError({ cause: new Error(admission.reason) }))
  return admission
}

/** Runs a function of the application. An error that it throws refuses the sign-in; one with a status from 400 to 499 keeps it. */
async function askApplication<Result extends OnSignInResult | void> (reply: FastifyReply, ask: () => Promise<Result>, refuse: (reason: Reason, error: Error) => Error): Promise<Result> {
  try {
    return await ask()
  } catch (thrown) {
    const error = asError(thrown)
    const { statusCode = 500 } = error as { statusCode?: number }
    if (statusCode >= 400 && statusCode < 500) throw refuse('application', error)
    if ('code' in error && error.code === 'PTC_ERR_STORE_UNAVAILABLE') throw error
    reply.request.log.error({ error: describeError(error) }, 'a function of the application has refused a sign-in')
    throw refuse('application', new LoginForbiddenError({ cause: error }))
  }
}

/** Returns what the provider has proved, for the store. */
export function proofOf (user: Authenticated, claims: ProviderProof['provider']['claims'], { provider: { name }, transaction, portcullis }: Omit<AtProviderOptions, 'audiences'>): ProviderProof {
  return {
    provider: { name, sub: user.sub, sid: user.sid, idToken: portcullis.oidc.logins.sealIdToken(name, user.idToken), claims },
    authTimeMs: user.authTime === null ? 0 : user.authTime * 1000,
    beganAtMs: transaction.beganAtMs,
    countsFromMs: Math.max(0, countsFromMs(factsOf(user, transaction)))
  }
}

/** Returns what decides about the last cut of the subject. */
function factsOf ({ authTime }: Authenticated, { beganAtMs, demands }: LoginTransaction): Omit<SignInAfterCut, 'cutMs'> {
  const isForced = demands.prompt === 'login' || demands.maxAgeSeconds === 0
  return { beganAtMs, isForced, authTimeMs: authTime === null ? null : authTime * 1000 }
}

/** Returns the strength of the authentication. A provider that states none has authenticated the user in some way. */
export function strengthOf ({ acr, amr }: Authenticated): { acr: string, amr: string[] } {
  return { acr: acr === '' ? '1' : acr, amr }
}

/** Returns the name that is shown for the user. It gives no access. */
function nameOf ({ claims, sub }: Authenticated): string {
  const names = [claims['preferred_username'], claims['email'], claims['name'], sub]
  return names.find((name): name is string => typeof name === 'string' && name !== '' && name.length <= 256 && name.isWellFormed() && !/\p{Cc}/u.test(name)) ?? sub
}
