import type { FastifyInstance } from 'fastify'

/** Steps of the lifecycle of a request whose hooks a scope can have. */
export type LifecycleStep = 'onRequest' | 'preParsing' | 'preValidation' | 'preHandler' | 'preSerialization' | 'onSend'

/**
 * Returns the hooks of a scope and of the scopes around it, in the order in which they run. Fastify has no method for this, so they are read
 * from its own member, which is found by its description; in a version of Fastify without that member the list is empty. The result must
 * therefore serve only for messages and documents.
 */
export function hooksOfScope (scope: FastifyInstance, step: LifecycleStep): unknown[] {
  for (let at: object | null = scope; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const member = Object.getOwnPropertySymbols(at).find(({ description }) => description === 'fastify.hooks')
    if (member !== undefined) return listOf((at as Record<symbol, Partial<Record<LifecycleStep, unknown>> | undefined>)[member]?.[step])
  }
  return []
}

/** Returns the hooks of a route's option, which is a function or a list of functions. */
export function listOf (hooks: unknown): unknown[] {
  if (typeof hooks === 'function') return [hooks]
  return Array.isArray(hooks) ? hooks : []
}
