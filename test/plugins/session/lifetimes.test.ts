import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import blocklist from '../../../plugins/blocklist.ts'
import cookies from '../../../plugins/cookies.ts'
import errors from '../../../plugins/errors.ts'
import refreshToken, { type RefreshTokenOptions } from '../../../plugins/refresh-token.ts'
import session, { type SessionOptions } from '../../../plugins/session.ts'
import storePlugin from '../../../plugins/store.ts'
import { createServer, createStore, origin, refreshCookieName, secret } from '../../helpers/build-app.ts'

const code = 'PTC_ERR_CONFIG_INVALID'
const token = `h.${Buffer.from(JSON.stringify({ exp: 4_000_000_000 })).toString('base64url')}.s`

type Lifetimes = Pick<SessionOptions, 'idleTimeout' | 'absoluteTimeout' | 'maxPerSubject'>

async function registerSession (scope: FastifyInstance, lifetimes: Lifetimes = {}): Promise<void> {
  await scope.register(session, lifetimes)
  scope.post('/session', async (_request, reply) => await reply.openSession({ subject: 'ada' }))
}

async function registerRefreshToken (scope: FastifyInstance, options: Partial<RefreshTokenOptions> = {}): Promise<void> {
  await scope.register(refreshToken, { secret, accessToken: () => token, ...options })
  scope.post('/family', async (_request, reply) => await reply.openFamily({ subject: 'ada' }))
  scope.post('/refresh', async (_request, reply) => await reply.rotateFamily())
}

async function build (t: Test): Promise<{ app: FastifyInstance, advance: (ms: number) => void }> {
  const { store, advance } = await createStore(t)
  const app = createServer(t)
  await app.register(errors)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  return { app, advance }
}

async function openFamily (app: FastifyInstance): Promise<string> {
  const { headers } = await app.inject({ method: 'POST', url: '/family' })
  return [headers['set-cookie'] ?? []].flat().find(line => line.startsWith(refreshCookieName))!.split(';')[0]!
}

const refresh = async (app: FastifyInstance, cookie: string): Promise<number> => (await app.inject({ method: 'POST', url: '/refresh', headers: { cookie } })).statusCode

const orders: Array<[string, (app: FastifyInstance, lifetimes: Lifetimes) => Promise<void>]> = [
  ['session before refresh tokens', async (app, lifetimes) => {
    await registerSession(app, lifetimes)
    await registerRefreshToken(app)
  }],
  ['refresh tokens before session', async (app, lifetimes) => {
    await registerRefreshToken(app, lifetimes)
    await registerSession(app)
  }],
  ['two scopes side by side', async (app, lifetimes) => {
    await app.register(async scope => { await registerSession(scope, lifetimes) })
    await app.register(async scope => { await registerRefreshToken(scope) })
  }],
  ['refresh tokens in a scope inside', async (app, lifetimes) => {
    await registerSession(app, lifetimes)
    await app.register(async scope => { await registerRefreshToken(scope) })
  }]
]

for (const [name, register] of orders) {
  t.test(`the lifetimes that one plugin was given are those of both: ${name}`, async t => {
    const { app, advance } = await build(t)
    await register(app, { idleTimeout: '10m', absoluteTimeout: '1h', maxPerSubject: 2 })
    await app.ready()

    const first = await openFamily(app)
    await app.inject({ method: 'POST', url: '/session' })
    const last = await openFamily(app)
    t.equal(await refresh(app, first), 401, 'it was the oldest of three')
    t.equal(await refresh(app, last), 200)
    const opened = (await app.inject({ method: 'POST', url: '/session' })).json<{ session: { created_at: number, expires_at: number, idle_expires_at: number } }>().session
    t.equal(opened.expires_at - opened.created_at, 3600)
    t.ok(opened.idle_expires_at - opened.created_at <= 600)

    const idle = await openFamily(app)
    advance(600_000)
    t.equal(await refresh(app, idle), 401, 'idle for as long as a session may be')
  })
}

t.test('a lifetime that two plugins are given differently is refused, and the error names both', async t => {
  for (const [given, other, option] of [
    [{ idleTimeout: '10m' }, { idleTimeout: '20m' }, 'idleTimeout'],
    [{}, { absoluteTimeout: '12h' }, 'absoluteTimeout'],
    [{ maxPerSubject: 1 }, { maxPerSubject: 3 }, 'maxPerSubject']
  ] as const) {
    const { app } = await build(t)
    await registerSession(app, given)
    await t.rejects(registerRefreshToken(app, other), { code, message: new RegExp(`^portcullis-refresh-token: ${option} .*portcullis-session`) })
  }
  const { app } = await build(t)
  await registerRefreshToken(app)
  await t.rejects(registerSession(app, { idleTimeout: '5m' }), { code, message: /^portcullis-session: idleTimeout .*portcullis-refresh-token/ })
})

t.test('the same lifetime may be given to both, in any spelling', async t => {
  const { app } = await build(t)
  await registerSession(app, { idleTimeout: '1h', absoluteTimeout: '24h' })
  await registerRefreshToken(app, { idleTimeout: 3_600_000, absoluteTimeout: '1440m' })
  await app.ready()
  t.equal(app.portcullis.lifetimes.idleTimeoutMs, 3_600_000)
})

t.test('a scope with other cookies has sessions with lifetimes of their kind', async t => {
  const { app } = await build(t)
  await registerSession(app, { idleTimeout: '10m' })
  await app.register(async scope => {
    await scope.register(cookies, { origin, name: 'partner' })
    await scope.register(blocklist)
    await scope.register(session, { idleTimeout: '20m' })
    t.equal(scope.portcullis.lifetimes.idleTimeoutMs, 1_200_000)
  })
  await app.ready()
  t.equal(app.portcullis.lifetimes.idleTimeoutMs, 600_000)
})
