import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { Agent } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { createClient } from 'redis'
import { argsOfParent, cpuTime, serveParent } from '../child.ts'

declare module 'express-session' {
  interface SessionData { subject?: string }
}

/** Express with sessions in Redis, as the README of the store describes, in front of a proxy with keep-alive connections. */
const { upstream, redis } = argsOfParent<{ upstream: string, redis: string }>()
const client = createClient({ url: redis })
await client.connect()
const app = express()
app.use(session({ secret: 'a secret of at least thirty-two characters', store: new RedisStore({ client }), resave: false, saveUninitialized: false }))
app.post('/sign-in/:subject', (request, response) => {
  request.session.subject = request.params.subject
  response.json({})
})
app.use((request, response, next) => {
  if (request.session.subject === undefined) response.status(401).json({ message: 'no session' })
  else next()
})
app.use(createProxyMiddleware({ target: upstream, agent: new Agent({ keepAlive: true }) }))

const server = app.listen(0, '127.0.0.1', () => {
  serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { cpu: cpuTime })
})
