import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { build } from '../../examples/refresh-tokens.ts'

interface SignedIn { authorization: string, refresh: string }

function signedIn (response: Awaited<ReturnType<FastifyInstance['inject']>>): SignedIn {
  const refresh = response.cookies.find(({ name }) => name === 'portcullis-refresh')?.value ?? ''
  return { authorization: `Bearer ${response.json<{ access_token: string }>().access_token}`, refresh }
}

async function signIn (app: FastifyInstance): Promise<SignedIn> {
  return signedIn(await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'open-the-gate' } }))
}

async function refresh (app: FastifyInstance, token: string) {
  return await app.inject({ method: 'POST', url: '/auth/refresh', cookies: { 'portcullis-refresh': token } })
}

t.test('a wrong password gets no token and no cookie', async t => {
  const app = await build()
  t.teardown(() => app.close())

  const response = await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'wrong' } })

  t.equal(response.statusCode, 401)
  t.equal(response.headers['set-cookie'], undefined)
})

t.test('a refresh gives a new access token and the next refresh token', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const first = await signIn(app)

  const second = signedIn(await refresh(app, first.refresh))

  t.not(second.refresh, first.refresh)
  t.match((await app.inject({ url: '/orders', headers: { authorization: second.authorization } })).json(), { of: 'ada' })
})

t.test('a refresh that is sent again, because its answer was lost, gets the same refresh token', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const first = await signIn(app)
  const lost = signedIn(await refresh(app, first.refresh))

  const again = signedIn(await refresh(app, first.refresh))

  t.equal(again.refresh, lost.refresh)
})

t.test('signing out ends access token and refresh token', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const { authorization, refresh: token } = await signIn(app)

  const signedOut = await app.inject({ method: 'POST', url: '/auth/logout', headers: { authorization } })

  t.equal(signedOut.statusCode, 204)
  t.match(signedOut.cookies, [{ name: 'portcullis-refresh', value: '', maxAge: 0 }])
  t.equal((await app.inject({ url: '/orders', headers: { authorization } })).statusCode, 401)
  const refused = await refresh(app, token)
  t.equal(refused.statusCode, 401)
  t.match(refused.json(), { code: 'PTC_ERR_REFRESH_REFUSED' })
  t.equal(refused.headers['set-cookie'], undefined)
})

t.test('revoking a subject ends access tokens of all its sessions, not those of later ones', async t => {
  const app = await build()
  t.teardown(() => app.close())
  const { authorization } = await signIn(app)

  await app.portcullis.blocklist.revoke({ subject: 'ada' })

  t.equal((await app.inject({ url: '/orders', headers: { authorization } })).statusCode, 401)
  const later = await signIn(app)
  t.equal((await app.inject({ url: '/orders', headers: { authorization: later.authorization } })).statusCode, 200)
})
