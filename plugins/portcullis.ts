import type { FastifyInstance } from 'fastify'
import { ConfigInvalidError } from '../lib/errors.ts'

/** The parts that plugins provide to an application, as `fastify.portcullis`. Each plugin's file declares its own part. */
export interface Portcullis {}

declare module 'fastify' {
  interface FastifyInstance {
    /** The parts of Portcullis that are registered in this scope, and those of the scopes around it that belong to them. */
    portcullis: Portcullis
  }
}

type PartName = keyof Portcullis & string

/**
 * The parts on which a part is built. A scope that has one of these itself does not inherit a part that is built on the outer scope's one:
 * a session that is closed in one store would remain open in the other. A blocklist ends sessions of the origin of its cookies, or of every
 * origin if it has none. Budgets are not listed, because they may count for several stores.
 */
const builtOn: Partial<Record<PartName, { plugin: string, on: PartName[] }>> = {
  blocklist: { plugin: 'blocklist', on: ['store', 'cookies'] },
  keys: { plugin: 'keys', on: ['store'] },
  accessToken: { plugin: 'access-token', on: ['keys'] },
  issuers: { plugin: 'issuers', on: ['accessToken'] },
  lifetimes: { plugin: 'session', on: ['store', 'cookies'] },
  session: { plugin: 'session', on: ['store', 'cookies'] },
  refreshToken: { plugin: 'refresh-token', on: ['store', 'cookies'] },
  secondFactor: { plugin: 'second-factor', on: ['store', 'cookies'] },
  oidc: { plugin: 'oidc', on: ['store', 'cookies'] },
  signInHooks: { plugin: 'authRoutes', on: ['store', 'cookies'] },
  signInPage: { plugin: 'pagesRoutes', on: ['store', 'cookies'] },
  deviceBound: { plugin: 'device-bound', on: ['session'] },
  authenticate: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  identify: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  loginUrls: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  assertRecent: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  refuseForeign: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  verifications: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  mint: { plugin: 'mint', on: ['accessToken'] },
  streams: { plugin: 'streams', on: ['session', 'accessToken'] }
}

/**
 * A part whose absence its dependents note when they are registered: `authenticate` takes no access tokens if there is no `accessToken` yet.
 */
const early: PartName = 'accessToken'

/** Parts that were added to scopes in which they had been refused before: `refuseInherited` defines properties that cannot be redefined. */
const addedLate = new WeakMap<object, Partial<Record<PartName, unknown>>>()

/** Parts of each scope and of all scopes in it, in the order of registration. */
const registered = new WeakMap<object, Array<{ name: string, part: unknown, scope: object }>>()

/**
 * Begins the registration of a part. Returns the parts of the scope; reading one that belongs to another set of parts throws
 * ConfigInvalidError. Throws ConfigInvalidError if the scope already has the part.
 */
export function beginPart (fastify: FastifyInstance, name: PartName): Portcullis {
  const parts = scopeParts(fastify)
  if (hasOwnPart(parts, name)) throw new ConfigInvalidError(`portcullis.${name} is registered in this scope already: register its plugin once, or in a scope apart (app.register(async scope => { … }))`)
  return parts
}

/** Adds a part to `fastify.portcullis` of this scope. The scopes in it inherit the part; the scopes around it do not. */
export function addPart<Part extends PartName> (fastify: FastifyInstance, name: Part, part: Portcullis[Part]): void {
  const parts = beginPart(fastify, name)
  freezePart(name, part)
  if (name === early && partOrNull(parts, name) === null) refuseLate(parts, name)
  for (const { scope } of entriesIn(parts, name)) refuseTaken(scope, name)
  if (Object.hasOwn(parts, name)) addedLate.set(parts, { ...addedLate.get(parts), [name]: part })
  // Scopes share the object with the scopes in them until these have a part themselves, so a change in one would apply to others.
  else Object.defineProperty(parts, name, { value: part, enumerable: true })
  const outer = outerParts(parts)
  if (outer !== null) {
    const isInherited = partOrNull(outer, name) !== null
    for (const dependent of dependentsOf(name)) if (isInherited || (name === early && partOrNull(outer, dependent) !== null)) refuseInherited(parts, dependent, name)
  }
  for (const scope of partsAround(parts)) registered.get(scope)?.push({ name, part, scope: parts })
}

/**
 * Freezes a part with the methods of its class, so that no code replaces a check, such as that of a revocation, for the whole server. The
 * store may be one of the application, which the application may change.
 */
function freezePart (name: PartName, part: unknown): void {
  if (name === 'store' || typeof part !== 'object' || part === null) return
  Object.freeze(part)
  const prototype = Object.getPrototypeOf(part) as object
  if (prototype !== Object.prototype) Object.freeze(prototype)
}

/** Returns a part that may be absent, or null. */
export function partOrNull<Part extends PartName> (parts: Partial<Portcullis>, name: Part): Portcullis[Part] | null {
  for (let scope: object | null = parts; scope !== null; scope = Object.getPrototypeOf(scope) as object | null) {
    if (Object.hasOwn(scope, name)) return (ownPart(scope, name) as Portcullis[Part] | undefined) ?? null
  }
  return null
}

/** Returns every part of this name that is registered in a scope or in the scopes in it. */
export function partsWithin<Part extends PartName> (parts: Portcullis, name: Part): Array<Portcullis[Part]> {
  return entriesIn(parts, name).map(({ part }) => part as Portcullis[Part])
}

/** Returns every part of this name, in any scope of the server, that is built on exactly the parts that this scope has. */
export function partsAlike<Part extends PartName> (parts: Partial<Portcullis>, name: Part): Array<Portcullis[Part]> {
  const isAlike = (scope: object): boolean => (builtOn[name]?.on ?? []).every(base => partOrNull(scope, base) === partOrNull(parts, base))
  const outermost = partsAround(parts as Portcullis).at(-1)!
  return entriesIn(outermost, name).filter(({ scope }) => isAlike(scope)).map(({ part }) => part as Portcullis[Part])
}

/** Returns the parts of a scope, and of each scope around it up to the server's. */
export function partsAround (parts: Portcullis): Portcullis[] {
  const outer = outerParts(parts)
  return outer === null ? [parts] : [parts, ...partsAround(outer)]
}

/**
 * Creates the parts of a scope, and of all scopes around it, so that events and counts reach the outer scopes in any order of registration.
 */
export function scopeParts (fastify: FastifyInstance): Portcullis {
  if (Object.hasOwn(fastify, 'portcullis')) return fastify.portcullis
  const outer = Object.getPrototypeOf(fastify) as object
  const parts = (isScope(outer) ? Object.create(scopeParts(outer)) : {}) as Portcullis
  registered.set(parts, [])
  fastify.decorate('portcullis', { getter: () => parts })
  return parts
}

function isScope (value: object): value is FastifyInstance {
  return 'decorate' in value
}

function outerParts (parts: Portcullis): Portcullis | null {
  const outer = Object.getPrototypeOf(parts) as object
  return registered.has(outer) ? outer as Portcullis : null
}

function entriesIn (parts: object, name: string): Array<{ part: unknown, scope: object }> {
  return (registered.get(parts) ?? []).filter(entry => entry.name === name)
}

/** Returns whether a scope has the part itself. A getter that only rejects an inherited part does not count. */
function hasOwnPart (parts: Portcullis, name: PartName): boolean {
  return ownPart(parts, name) !== undefined
}

function ownPart (parts: object, name: PartName): unknown {
  return Object.getOwnPropertyDescriptor(parts, name)?.value ?? addedLate.get(parts)?.[name]
}

function dependentsOf (name: PartName): PartName[] {
  const direct = (Object.keys(builtOn) as PartName[]).filter(dependent => builtOn[dependent]?.on.includes(name))
  return [...new Set(direct.flatMap(dependent => [dependent, ...dependentsOf(dependent)]))]
}

/**
 * Checks a scope that has the part `name` itself, before a scope around it gets one too. Throws ConfigInvalidError if the inner scope has
 * inherited a part that depends on `name`.
 */
function refuseTaken (parts: object, name: PartName): void {
  for (const dependent of dependentsOf(name)) {
    if (!Object.hasOwn(parts, dependent) && partOrNull(parts, dependent) !== null) throw new ConfigInvalidError(`portcullis.${name}: a scope in this one has a ${name} part itself, and the ${dependent} of this scope; register portcullis-${dependent} in that scope too, or portcullis-${name} here before it`)
    refuseInherited(parts, dependent, name)
  }
}

/** Throws ConfigInvalidError if the scope has a dependent that was registered without the part, and would not use it. */
function refuseLate (parts: Portcullis, name: PartName): void {
  for (const dependent of dependentsOf(name)) if (hasOwnPart(parts, dependent)) throw new ConfigInvalidError(`portcullis.${name}: register its plugin before portcullis-${builtOn[dependent]?.plugin ?? dependent}, which takes no access tokens otherwise`)
}

function refuseInherited (parts: object, name: PartName, because: PartName): void {
  if (Object.hasOwn(parts, name)) return
  Object.defineProperty(parts, name, {
    get () {
      const added = addedLate.get(parts)?.[name]
      if (added !== undefined) return added
      throw new ConfigInvalidError(`portcullis.${name}: this scope has a ${because} part itself, and the ${name} of the scope around it goes with another one; register portcullis-${builtOn[name]?.plugin ?? name} in this scope too`)
    }
  })
}
