import t, { type Test } from 'tap'
import type { AuthenticateDemand } from '../../../plugins/authenticate.ts'
import { buildApp, cookieOf, createStore, origin, sessionCookieName } from '../../helpers/build-app.ts'

async function start (t: Test, demands: Record<string, AuthenticateDemand>) {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, {}, app => {
    for (const [url, demand] of Object.entries(demands)) app.get(url, { onRequest: app.portcullis.authenticate({ audience: 'orders', ...demand }) }, async ({ identityOrNull }) => ({ acr: identityOrNull?.acr ?? null }))
    app.post('/enter', async (request, reply) => await reply.openSession({ subject: 'ada', audiences: ['orders'], ...request.body as object }))
    app.post('/enter-tokens', async (request, reply) => await reply.openFamily({ subject: 'ada', audiences: ['orders'], ...request.body as object }))
    app.post('/step-up/:sid', async (request, reply) => await app.portcullis.session.renew(reply, (request.params as { sid: string }).sid, request.body as { acr: string, amr: string[] }))
  })
  const enter = async (strength: object): Promise<{ cookie: string, sid: string }> => {
    const response = await app.inject({ method: 'POST', url: '/enter', payload: strength })
    return { cookie: cookieOf(response, sessionCookieName)!, sid: response.json<{ session: { sid: string } }>().session.sid }
  }
  const get = async (url: string, headers: Record<string, string>) => await app.inject({ url, headers })
  return { app, enter, get }
}

const stepUp = { code: 'PTC_ERR_STEP_UP_REQUIRED', title: 'A more recent or stronger authentication is required' }

t.test('a route demands an acr, one of several, or one that is higher', async t => {
  const { enter, get } = await start(t, { '/two': { acr: '2' }, '/several': { acr: ['urn:phr', '3'] }, '/named': { acr: 'urn:phr' } })
  const answers = async (acr: string): Promise<number[]> => {
    const { cookie } = await enter({ acr })
    return await Promise.all(['/two', '/several', '/named'].map(async url => (await get(url, { cookie })).statusCode))
  }
  t.same(await answers('1'), [401, 401, 401])
  t.same(await answers('2'), [200, 401, 401])
  t.same(await answers('10'), [200, 200, 401], 'numbers, not texts')
  t.same(await answers('urn:phr'), [401, 200, 200])
  for (const acr of ['', '02x', '1e9', ' 2', 'urn:phr2', '-3', '٣']) t.same(await answers(acr), [401, 401, 401], acr)
})

t.test('the refusal names what would do (RFC 9470)', async t => {
  const { enter, get } = await start(t, { '/acr': { acr: ['2', 'urn:phr'], stepUp: { maxAge: '5m' }, scopes: [] }, '/amr': { amr: ['otp', 'pwd'] } })
  const { cookie } = await enter({})
  const refused = await get('/acr', { cookie })
  t.equal(refused.statusCode, 401)
  t.match(refused.json(), stepUp)
  t.equal(refused.headers['www-authenticate'], 'Bearer error="insufficient_user_authentication", max_age="300", acr_values="2 urn:phr"')
  t.equal((await get('/amr', { cookie })).headers['www-authenticate'], 'Bearer error="insufficient_user_authentication"')
})

t.test('a route demands every method of a list', async t => {
  const { enter, get } = await start(t, { '/otp': { amr: ['otp'] }, '/both': { amr: ['otp', 'pwd'], acr: '2' } })
  const answers = async (strength: object): Promise<number[]> => {
    const { cookie } = await enter(strength)
    return [(await get('/otp', { cookie })).statusCode, (await get('/both', { cookie })).statusCode]
  }
  t.same(await answers({ amr: ['pwd'] }), [401, 401])
  t.same(await answers({ amr: ['otp'], acr: '2' }), [200, 401])
  t.same(await answers({ amr: ['pwd', 'otp'] }), [200, 401], 'and the acr too')
  t.same(await answers({ amr: ['pwd', 'otp', 'mfa'], acr: '2' }), [200, 200])
  t.same(await answers({ amr: [] }), [401, 401])
})

t.test('a step-up satisfies the demand; an access token from before does not', async t => {
  const { app, enter, get } = await start(t, { '/two': { acr: '2', amr: ['otp'] } })
  const { cookie, sid } = await enter({})
  t.equal((await get('/two', { cookie })).statusCode, 401)
  const renewed = await app.inject({ method: 'POST', url: `/step-up/${sid}`, headers: { cookie }, payload: { acr: '2', amr: ['otp'] } })
  t.equal((await get('/two', { cookie: cookieOf(renewed, sessionCookieName)! })).statusCode, 200)

  const response = await app.inject({ method: 'POST', url: '/enter-tokens', payload: {} })
  const { access_token: token } = response.json<{ access_token: string }>()
  const refused = await get('/two', { authorization: `Bearer ${token}` })
  t.match(refused.json(), stepUp)
})

t.test('a public route shows a caller only with the strength', async t => {
  const { enter, get } = await start(t, { '/public': { access: 'public', acr: '2' } })
  t.same((await get('/public', {})).json(), { acr: null })
  t.same((await get('/public', { cookie: (await enter({})).cookie })).json(), { acr: null })
  t.same((await get('/public', { cookie: (await enter({ acr: '2' })).cookie })).json(), { acr: '2' })
})

t.test('a demand that no credential could meet, or that no challenge could name, is refused at registration', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store)
  for (const demand of [{ acr: [] }, { acr: '' }, { acr: 'a b' }, { acr: '"' }, { acr: 2 }, { acr: ['2', 3] }, { amr: [] }, { amr: 'otp' }, { amr: [''] }, { arc: '2' }]) {
    t.throws(() => app.portcullis.authenticate({ audience: origin, ...demand as object }), { code: 'PTC_ERR_CONFIG_INVALID', message: /^portcullis\.authenticate: (acr|amr|arc)/ }, JSON.stringify(demand))
  }
})
