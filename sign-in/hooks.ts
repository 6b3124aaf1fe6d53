import type { FastifyInstance, FastifyRequest } from 'fastify'
import { asError } from '../lib/as-error.ts'
import { ConfigInvalidError } from '../lib/errors.ts'
import type { SessionMode } from '../lib/session/record.ts'
import type { SignIn } from '../lib/session/sign-in.ts'
import type { SessionView } from '../lib/session/view.ts'
import { describeError } from '../plugins/errors.ts'
import { addPart, partsAlike, type Portcullis } from '../plugins/portcullis.ts'

declare module '../plugins/portcullis.ts' {
  interface Portcullis {
    /** Hooks of the routes that sign in and out. They apply to all such routes with the same store and cookies. */
    signInHooks: { readonly given: SignInHooks }
  }
}

/** A subject that has authenticated completely, before its session is opened. */
export interface SignInFacts extends Required<Pick<SignIn, 'subject' | 'username' | 'scopes' | 'audiences' | 'acr' | 'amr'>> {
  mode: SessionMode
}

/** What `beforeSignIn` may replace. */
export type SignInChange = Partial<Pick<SignIn, 'scopes'>>

export interface SignOutFacts {
  scope: 'this' | 'others' | 'all'
  /** Subject of the sessions; null if none of them has a record any more. */
  subject: string | null
  /** Sessions whose credentials the request carries. With the scope `others`, they remain. */
  sids: string[]
}

type Hook<Facts, Result = void> = (request: FastifyRequest, facts: Facts) => Result | Promise<Result>

/**
 * Functions of the application that run at sign-in, refresh and sign-out, for the JSON API and the pages. They may be asynchronous, and the
 * response waits for them. If a `before` hook throws, nothing has changed and the request is rejected: an error with a `statusCode` from 400
 * to 499 keeps its status, and any other becomes 500. If an `after` hook throws, the error is logged, because the change has happened.
 */
export interface SignInHooks {
  /** Runs after the authentication, second factor included, so that it tells nothing about accounts. May return scopes to open the session with. */
  beforeSignIn?: Hook<SignInFacts, SignInChange | void>
  /** Runs when the session is open. */
  afterSignIn?: Hook<{ mode: SessionMode, session: SessionView }>
  /** Runs for the session of a genuine refresh token, before the token is rotated or its reuse is detected. */
  beforeRefresh?: Hook<{ session: SessionView }>
  /** Runs when the next access token is issued. */
  afterRefresh?: Hook<{ session: SessionView }>
  /** Runs for a request that may end sessions, before they end. */
  beforeSignOut?: Hook<SignOutFacts>
  /** Runs when the sessions have ended. */
  afterSignOut?: Hook<SignOutFacts>
}

type HookName = keyof SignInHooks
type FactsOf<Name extends HookName> = Parameters<NonNullable<SignInHooks[Name]>>[1]

const hookNames = ['beforeSignIn', 'afterSignIn', 'beforeRefresh', 'afterRefresh', 'beforeSignOut', 'afterSignOut'] as const satisfies HookName[]

/** Throws ConfigInvalidError that names the routes and the hook, if a function has the name of no hook, or a hook is no function. */
export function assertHooks (routes: string, hooks: SignInHooks): void {
  const names: readonly string[] = hookNames
  for (const [name, member] of Object.entries(hooks)) if (typeof member === 'function' && !names.includes(name)) throw new ConfigInvalidError(`${routes}: hooks.${name} is not a hook; the hooks are ${new Intl.ListFormat('en-GB').format(names)}`)
  for (const name of hookNames) if (hooks[name] !== undefined && typeof hooks[name] !== 'function') throw new ConfigInvalidError(`${routes}: hooks.${name} must be a function`)
}

/** Adds the hooks of a group of routes. They apply to every group of routes that opens the same sessions, registered before or after. */
export function addHooks (fastify: FastifyInstance, hooks: SignInHooks): void {
  addPart(fastify, 'signInHooks', { given: hooks })
}

/** Returns the hooks of a name. A function that several groups of routes were given is one hook. */
function hooksOf<Name extends HookName> (portcullis: Portcullis, name: Name): Array<Hook<FactsOf<Name>, unknown>> {
  const hooks = new Map<unknown, Hook<FactsOf<Name>, unknown>>()
  for (const { given } of partsAlike(portcullis, 'signInHooks')) {
    const hook = given[name] as Hook<FactsOf<Name>, unknown> | undefined
    if (hook !== undefined) hooks.set(hook, async (request, facts) => await hook.call(given, request, facts))
  }
  return [...hooks.values()]
}

export function hasHook (portcullis: Portcullis, ...names: HookName[]): boolean {
  return names.some(name => hooksOf(portcullis, name).length > 0)
}

/** Runs the hooks before a change, one after the other. Returns what they replace. Rejects with an error if one of them throws. */
export async function runBefore<Name extends 'beforeSignIn' | 'beforeRefresh' | 'beforeSignOut'> (name: Name, request: FastifyRequest, facts: FactsOf<Name>, portcullis: Portcullis): Promise<SignInChange> {
  const changes: SignInChange = {}
  for (const hook of hooksOf(portcullis, name)) {
    try {
      Object.assign(changes, checkChange(name, await hook(request, structuredClone({ ...facts, ...changes }))))
    } catch (thrown) {
      throw asError(thrown)
    }
  }
  return changes
}

/** Runs the hooks after a change. An error is logged. */
export async function runAfter<Name extends 'afterSignIn' | 'afterRefresh' | 'afterSignOut'> (name: Name, request: FastifyRequest, facts: FactsOf<Name>, portcullis: Portcullis): Promise<void> {
  for (const hook of hooksOf(portcullis, name)) {
    try {
      await hook(request, structuredClone(facts))
    } catch (error) {
      request.log.error({ error: describeError(error) }, `the hook ${name} failed`)
    }
  }
}

/** Throws TypeError for a result that a typing error would turn into no change. */
function checkChange (name: HookName, change: unknown): SignInChange {
  if (name !== 'beforeSignIn' || change === undefined) return {}
  const isChange = typeof change === 'object' && change !== null && Object.keys(change).every(member => member === 'scopes')
  if (!isChange) throw new TypeError('hooks.beforeSignIn must return nothing, or an object with scopes')
  const { scopes } = change as SignInChange
  return scopes === undefined ? {} : { scopes }
}
