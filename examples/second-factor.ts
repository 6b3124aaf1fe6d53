import Fastify, { type FastifyInstance } from 'fastify'
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { accessToken, authenticate, authRoutes, blocklist, cookies, errors, keys, pagesRoutes, rateLimit, refreshToken, secondFactor, serverOptions, session, store, type PasswordVerifier } from '../index.ts'
import { checkPassword } from './users.ts'

/** A placeholder for your own table: the key of 20 random bytes that the authenticator app of a user has, by subject. */
const totpKeys = new Map([['ada', Buffer.from('12345678901234567890')]])

/** Returns the time-based one-time password of a step of 30 seconds (RFC 6238, with the parameters that authenticator apps use). */
export function totp (key: Buffer, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', key).update(counter).digest()
  const number = mac.readUInt32BE(mac[19]! & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}

/** Builds an application whose users sign in with a password and a one-time password, and a route that demands both. */
export async function build (): Promise<FastifyInstance> {
  const origin = 'http://localhost:3000'
  const secret = randomBytes(32).toString('base64url') // production: from the environment, the same in every process
  const app = Fastify(serverOptions({ origin }))
  await app.register(errors, { origin })
  await app.register(store, { path: ':memory:' })
  await app.register(rateLimit, { signIn: { max: 20, window: '15m' } }) // wrong codes use up the budget of the account; each sign-in counts twice for its address
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin })
  await app.register(session)
  await app.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation }) })
  await app.register(authenticate, { origin })
  await app.register(secondFactor, { secret })

  const identity: PasswordVerifier = {
    async verify (credentials) {
      const user = await checkPassword(credentials)
      return user === null || !totpKeys.has(user.subject) ? user : { challenge: 'otp', state: user, subject: user.subject }
    },
    async verifyChallenge (state: { subject: string, scopes: string[] }, response: string) {
      const { subject, scopes } = state
      const key = totpKeys.get(subject) // look the user up again, who may have been disabled meanwhile
      if (key === undefined) return null
      const now = Math.floor(Date.now() / 30_000)
      const step = [now, now - 1, now + 1].find(step => isEqual(totp(key, step), response))
      if (step === undefined) return null
      // A code is accepted once (RFC 6238, section 5.2), in all processes.
      const name = createHash('sha256').update(`${subject} ${step}`).digest('base64url')
      return await app.portcullis.store.useOnce(`totp:${name}`, 120_000) ? { subject, scopes } : null
    }
  }
  const signIn = { prefix: '/auth', origin, audiences: ['orders'], identity }
  await app.register(authRoutes, {
    ...signIn,
    // Hooks run for the pages too. What a `before` hook throws refuses the sign-in.
    hooks: { afterSignIn: async (request, { session }) => { request.log.info({ subject: session.subject, acr: session.acr }, 'signed in') } }
  })
  await app.register(pagesRoutes, signIn)

  const read = app.portcullis.authenticate({ audience: 'orders' })
  app.get('/orders', { onRequest: read }, async ({ identity }) => ({ orders: [], of: identity.subject }))

  // acr 2: the password and a second factor. A session without it is asked for a step-up.
  const cancel = app.portcullis.authenticate({ audience: 'orders', acr: '2', amr: ['otp'] })
  app.delete('/orders/:id', { onRequest: cancel }, async (_request, reply) => await reply.code(204).send())
  return app
}

function isEqual (expected: string, response: string): boolean {
  return /^\d{6}$/.test(response) && timingSafeEqual(Buffer.from(expected), Buffer.from(response))
}

if (import.meta.main) await (await build()).listen({ port: 3000 })
