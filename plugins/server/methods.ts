import { METHODS } from 'node:http'
import type { FastifyInstance, HTTPMethods } from 'fastify'

/**
 * Makes every method that Node parses available to routes, and returns their names. A plugin that handles all requests of a path needs
 * this: another plugin could otherwise receive those of a method that is added later.
 */
export function supportEveryMethod (fastify: FastifyInstance): HTTPMethods[] {
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method, { hasBody: true })
  }
  return fastify.supportedMethods as HTTPMethods[]
}
