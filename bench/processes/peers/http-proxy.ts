import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import { argsOfParent } from '../child.ts'
import { servePeer } from './serve.ts'

/** The proxy of Fastify's own organisation, as its README registers it. */
const app = Fastify()
await app.register(httpProxy, { upstream: argsOfParent<{ upstream: string }>().upstream })
await servePeer(app)
