import type { FastifyInstance } from 'fastify'

/** What the plugins offer to an application, as `fastify.portcullis`. Each plugin's file adds its own part. */
export interface Portcullis {}

declare module 'fastify' {
  interface FastifyInstance {
    /** The parts of Portcullis that are registered. */
    portcullis: Portcullis
  }
}

/** Adds a part to `fastify.portcullis`; the first plugin makes the decorator. */
export function addPart<Part extends keyof Portcullis> (fastify: FastifyInstance, name: Part, part: Portcullis[Part]): void {
  if (!fastify.hasDecorator('portcullis')) fastify.decorate('portcullis', {} as Portcullis)
  fastify.portcullis[name] = part
}
