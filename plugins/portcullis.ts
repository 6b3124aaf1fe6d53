import type { FastifyInstance } from 'fastify'
import { ConfigInvalidError } from '../lib/errors.ts'

/** What the plugins offer to an application, as `fastify.portcullis`. Each plugin's file adds its own part. */
export interface Portcullis {}

declare module 'fastify' {
  interface FastifyInstance {
    /** The parts of Portcullis that are registered in this scope, and those of the scopes around it that go with them. */
    portcullis: Portcullis
  }
}

type PartName = keyof Portcullis & string

/**
 * The parts that a part is built on. A scope that has one of these itself does not inherit what is built on the one of the scope around
 * it: a session that is closed in one store would go on in the other. A blocklist ends sessions of the origin that its cookies have,
 * and of every origin where it has none; budgets count for several stores as well.
 */
const builtOn: Partial<Record<PartName, { plugin: string, on: PartName[] }>> = {
  blocklist: { plugin: 'blocklist', on: ['store', 'cookies'] },
  keys: { plugin: 'keys', on: ['store'] },
  accessToken: { plugin: 'access-token', on: ['keys'] },
  issuers: { plugin: 'issuers', on: ['accessToken'] },
  lifetimes: { plugin: 'session', on: ['store', 'cookies'] },
  session: { plugin: 'session', on: ['store', 'cookies'] },
  refreshToken: { plugin: 'refresh-token', on: ['store', 'cookies'] },
  deviceBound: { plugin: 'device-bound', on: ['session'] },
  authenticate: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  identify: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  assertRecent: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  refuseForeign: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  verifications: { plugin: 'authenticate', on: ['session', 'accessToken'] },
  mint: { plugin: 'mint', on: ['accessToken'] },
  streams: { plugin: 'streams', on: ['session', 'accessToken'] }
}

/** The parts of each scope and of all scopes in it, in the order of registration. */
const registered = new WeakMap<object, Array<{ name: string, part: unknown, scope: object }>>()

/**
 * Begins the registration of a part. Returns the parts of the scope; one that belongs to another set than those of this scope throws
 * ConfigInvalidError when it is read. Throws ConfigInvalidError when the scope has the part already.
 */
export function beginPart (fastify: FastifyInstance, name: PartName): Portcullis {
  const parts = scopeParts(fastify)
  if (hasOwnPart(parts, name)) throw new ConfigInvalidError(`portcullis.${name} is registered in this scope already: register its plugin once, or in a scope apart (app.register(async scope => { … }))`)
  return parts
}

/** Adds a part to `fastify.portcullis` of this scope. Scopes in it inherit the part; the scopes around it do not get it. */
export function addPart<Part extends PartName> (fastify: FastifyInstance, name: Part, part: Portcullis[Part]): void {
  const parts = beginPart(fastify, name)
  for (const { scope } of entriesIn(parts, name)) refuseTaken(scope, name)
  Object.defineProperty(parts, name, { value: part, enumerable: true, configurable: true, writable: true })
  const outer = outerParts(parts)
  if (outer !== null && partOrNull(outer, name) !== null) for (const dependent of dependentsOf(name)) refuseInherited(parts, dependent, name)
  for (const scope of partsAround(parts)) registered.get(scope)?.push({ name, part, scope: parts })
}

/** Returns a part that may be absent, or null. */
export function partOrNull<Part extends PartName> (parts: Partial<Portcullis>, name: Part): Portcullis[Part] | null {
  for (let scope: object | null = parts; scope !== null; scope = Object.getPrototypeOf(scope) as object | null) {
    const descriptor = Object.getOwnPropertyDescriptor(scope, name)
    if (descriptor !== undefined) return (descriptor.value as Portcullis[Part] | undefined) ?? null
  }
  return null
}

/** Returns every part of this name that is registered in a scope, or in the scopes in it. */
export function partsWithin<Part extends PartName> (parts: Portcullis, name: Part): Array<Portcullis[Part]> {
  return entriesIn(parts, name).map(({ part }) => part as Portcullis[Part])
}

/** Returns every part of this name, of any scope of the server, that is built on the very parts that this scope has. */
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

/** Makes the parts of a scope, and of all scopes around it, so that their events and counts find the way up in any order of registration. */
export function scopeParts (fastify: FastifyInstance): Portcullis {
  if (Object.hasOwn(fastify, 'portcullis')) return fastify.portcullis
  const outer = Object.getPrototypeOf(fastify) as object
  const parts = (isScope(outer) ? Object.create(scopeParts(outer)) : {}) as Portcullis
  registered.set(parts, [])
  fastify.decorate('portcullis', parts)
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

/** What only refuses an inherited part is none. */
function hasOwnPart (parts: Portcullis, name: PartName): boolean {
  return Object.getOwnPropertyDescriptor(parts, name)?.value !== undefined
}

function dependentsOf (name: PartName): PartName[] {
  const direct = (Object.keys(builtOn) as PartName[]).filter(dependent => builtOn[dependent]?.on.includes(name))
  return [...new Set(direct.flatMap(dependent => [dependent, ...dependentsOf(dependent)]))]
}

/** A scope around this one, which has the part `name` itself, is about to get one too. Throws ConfigInvalidError when this scope has taken over what will go with that one. */
function refuseTaken (parts: object, name: PartName): void {
  for (const dependent of dependentsOf(name)) {
    if (!Object.hasOwn(parts, dependent) && partOrNull(parts, dependent) !== null) throw new ConfigInvalidError(`portcullis.${name}: a scope in this one has a ${name} part itself, and the ${dependent} of this scope; register portcullis-${dependent} in that scope too, or portcullis-${name} here before it`)
    refuseInherited(parts, dependent, name)
  }
}

function refuseInherited (parts: object, name: PartName, because: PartName): void {
  if (Object.hasOwn(parts, name)) return
  Object.defineProperty(parts, name, {
    configurable: true,
    get () { throw new ConfigInvalidError(`portcullis.${name}: this scope has a ${because} part itself, and the ${name} of the scope around it goes with another one; register portcullis-${builtOn[name]?.plugin ?? name} in this scope too`) }
  })
}
