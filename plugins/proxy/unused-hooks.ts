import type { FastifyInstance } from 'fastify'
import { partsAround, scopeParts } from '../portcullis.ts'
import { hooksOfScope, listOf, type LifecycleStep } from '../server/scope-hooks.ts'

/** Steps that can reject a request, and that a proxied request never reaches. */
const guards: LifecycleStep[] = ['preParsing', 'preValidation', 'preHandler']
/** Steps of a payload, which a proxied response does not have in this process. */
const payloads: LifecycleStep[] = ['preSerialization', 'onSend']

/** The hooks that were reported, by the parts of each server, so that several upstreams cause one line. */
const reported = new WeakMap<object, Set<unknown>>()

/**
 * Logs one line at the start that names the hooks of the application, in the scope of a proxy or added to its routes, that do not run for
 * proxied requests. Call it before the routes are added.
 */
export function reportUnusedHooks (fastify: FastifyInstance): void {
  const ofRoutes: Array<Partial<Record<LifecycleStep, unknown>>> = []
  // This hook is the last one of the scope, so it sees what the others have added to the route.
  fastify.addHook('onRoute', options => { ofRoutes.push(options as Partial<Record<LifecycleStep, unknown>>) })
  fastify.addHook('onReady', async () => {
    const known = knownHooks(fastify)
    const found = (steps: LifecycleStep[]): string[] => steps.flatMap(step => {
      const hooks = new Set([hooksOfScope(fastify, step), ...ofRoutes.map(options => listOf(options[step]))].flat())
      const unknown = [...hooks].filter(hook => !known.has(hook))
      for (const hook of unknown) known.add(hook)
      return unknown.map(hook => `${step} ${nameOf(hook)}`)
    })
    const [unusedGuards, unusedPayloads] = [found(guards), found(payloads)]
    const hooks = [...unusedGuards, ...unusedPayloads]
    if (unusedGuards.length > 0) fastify.log.warn({ hooks }, 'hooks of the application do not run for proxied requests: use onRequest hooks, or preForward of proxy, to reject them')
    else if (hooks.length > 0) fastify.log.info({ hooks }, 'hooks of the application do not run for proxied responses: use rewriteHeaders and onResponse of proxy')
  })
}

function nameOf (hook: unknown): string {
  return typeof hook === 'function' && hook.name !== '' ? hook.name : '(no name)'
}

function knownHooks (fastify: FastifyInstance): Set<unknown> {
  const server = partsAround(scopeParts(fastify)).at(-1)!
  const known = reported.get(server) ?? new Set()
  reported.set(server, known)
  return known
}
