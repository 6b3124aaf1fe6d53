import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { APP_GUARD, NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { randomBytes } from 'node:crypto'
import { accessToken, authenticate, authRoutes, blocklist, cookies, errors, keys, rateLimit, refreshToken, serverOptions, session, store } from 'portcullis'
import { OrdersController } from './orders.controller.js'
import { PortcullisGuard } from './portcullis.guard.js'

@Module({ controllers: [OrdersController], providers: [{ provide: APP_GUARD, useClass: PortcullisGuard }] })
class AppModule {}

const origin = 'http://localhost:3000'
const secret = randomBytes(32).toString('base64url') // production: from the environment, the same in every process
const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(serverOptions({ origin })))
const fastify = app.getHttpAdapter().getInstance()

// A placeholder for your own look-up of users.
const identity = { verify: async ({ username, password }: { username: string, password: string }) => username === 'ada' && password === 'open-the-gate' ? { subject: 'ada', scopes: ['orders:read', 'orders:write'] } : null }

await fastify.register(errors, { origin })
await fastify.register(store, { path: ':memory:' }) // production: a file, or { type: 'redis', url }
await fastify.register(rateLimit)
await fastify.register(blocklist)
await fastify.register(cookies, { origin })
await fastify.register(keys, { secret })
await fastify.register(accessToken, { issuer: origin })
await fastify.register(session)
await fastify.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => fastify.portcullis.accessToken.issue(record, { audience, generation }) })
await fastify.register(authenticate, { origin })
await fastify.register(authRoutes, { prefix: '/auth', origin, audiences: ['orders'], identity })
await app.listen(3000)
