import { METHODS } from 'node:http'
import type { FastifyInstance, HTTPMethods } from 'fastify'

/**
 * Makes every method that Node parses one that routes can be for, and names them all. Whoever takes a path as a whole needs it:
 * a method that becomes known later would be the next one's.
 */
export function supportEveryMethod (fastify: FastifyInstance): HTTPMethods[] {
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method, { hasBody: true })
  }
  return fastify.supportedMethods as HTTPMethods[]
}
