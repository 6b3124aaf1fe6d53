import t from 'tap'
import { assertAllRefused, bearer, statusOf } from '../helpers/bearer.ts'
import { origin, post, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { partsOf } from '../helpers/credentials.ts'
import { signForeign } from '../helpers/foreign-issuer.ts'
import { assertProblem } from '../helpers/problem.ts'

/*
 * The signature is right and what it signs is not: a token without an end, or with one that is never reached, from the future, for
 * somebody else, of somebody else, or with a list where a name belongs. Libraries let most of these pass unless they are told not
 * to. All are signed by the gateway's own key, which would take a mistake of the gateway, or another program with the same key.
 */

const now = () => Math.floor(Date.now() / 1000)

async function start (...given: Parameters<typeof startGateway>) {
  const gateway = await startGateway(...given)
  const { token } = await signInForTokens(gateway.url)
  const { header, claims } = partsOf(token)
  const key = gateway.app.portcullis.keys.current()
  return { ...gateway, token, claims, sign: (claims: unknown) => signForeign(key, claims, header) }
}

t.test('a token needs every claim, each of its own kind', async t => {
  const { app, claims, sign } = await start(t)
  const wrong: Record<string, unknown[]> = {
    iss: [undefined, null, '', 1, [origin], [], {}, `${origin}/`, `${origin}:443`, ` ${origin}`, origin.toUpperCase(), 'https://APP.example.com', origin.replace('https', 'http'), origin.slice(8), 'https://evil.example', [origin, 'https://evil.example']],
    sub: [undefined, null, '', 1, true, ['ada'], { sub: 'ada' }],
    aud: [undefined, null, '', [], [''], 1, true, {}, { [origin]: true }, [[origin]], [origin, 1], [origin, null], [origin, '']],
    exp: [undefined, null, '', String(now() + 60), true, [now() + 60], {}, -1, 0, now() - 1, now() + 0.5, 2 ** 53, 1e21, 1e300, -0.5],
    iat: [undefined, null, '', String(now()), true, [now()], {}, -1, now() + 60, now() + 3600, now() - 0.5, 2 ** 53],
    nbf: [null, '', String(now()), true, [0], {}, -1, now() + 60, now() + 0.5, 2 ** 53],
    jti: [undefined, null, '', 1, ['a'], {}, 'a\u0000b', '\u001f', 'j'.repeat(1025)],
    sid: [undefined, null, '', 1, ['a'], {}],
    auth_time: [undefined, null, '', String(now()), -1, 0.5, [1], 2 ** 53],
    acr: [undefined, null, 1, ['1'], {}],
    amr: [undefined, null, 'pwd', [1], [['pwd']], {}],
    scope: [undefined, null, 1, ['orders:read'], {}],
    client_id: [undefined, null, '', 1, ['portcullis']],
    epoch: [undefined, null, '', '0', -1, 0.5, [0], {}],
    gen: [null, '', '1', 0, -1, 1.5, [1], {}]
  }

  await assertAllRefused(t, app, Object.entries(wrong).flatMap(([name, values]) => values.map(value => [`${name} ${JSON.stringify(value)}`, sign({ ...claims, [name]: value })] as const)))

  t.equal(await statusOf(app, sign(claims)), 200)
})

t.test('numbers that JSON can spell and no clock can reach are refused', async t => {
  const { app, claims, sign } = await start(t)
  const json = JSON.stringify(claims)
  t.match(json, /"exp":\d+,"iat":\d+|"iat":\d+/)

  await assertAllRefused(t, app, ['exp', 'iat', 'auth_time'].flatMap(name => ['1e400', '-1e400', '9007199254740993', '1e21', '0.1', '-0.1', '"1e3"'].map(number => [`${name} ${number}`, sign(json.replace(new RegExp(`"${name}":\\d+`), `"${name}":${number}`))] as const)))

  t.equal(await statusOf(app, sign(json.replace(/"exp":(\d+)/, '"exp":$1.0'))), 200, 'a whole number with a fraction of nothing')
})

t.test('times are judged with five seconds of tolerance at most, and the end with none', async t => {
  const { app, claims, sign } = await start(t)
  const { now: real } = Date
  t.teardown(() => { Date.now = real })
  const at = 1000 * Math.floor(real() / 1000)
  Date.now = () => at
  const second = at / 1000
  const judged: Array<[changes: object, status: number]> = [
    [{ exp: second + 1 }, 200], [{ exp: second }, 401], [{ exp: second - 1 }, 401],
    [{ iat: second + 5 }, 200], [{ iat: second + 6 }, 401],
    [{ nbf: second + 5 }, 200], [{ nbf: second + 6 }, 401], [{ nbf: second - 3600 }, 200]
  ]
  for (const [changes, status] of judged) t.equal(await statusOf(app, sign({ ...claims, ...changes })), status, JSON.stringify(changes))

  // A token that is remembered ends at its end too, to the second.
  const token = sign({ ...claims, jti: 'remembered', exp: second + 30 })
  t.equal(await statusOf(app, token), 200)
  Date.now = () => at + 29_999
  t.equal(await statusOf(app, token), 200)
  Date.now = () => at + 30_000
  t.equal(await statusOf(app, token), 401)
  Date.now = () => at + 35_000
  t.equal(await statusOf(app, token), 401)
})

t.test('a token is good where its audience is named exactly, and nowhere else', async t => {
  const { url, orders, billing, claims, sign } = await start(t)
  const get = async (path: string, aud: unknown) => (await fetch(`${url}${path}`, { headers: bearer(sign({ ...claims, aud })) })).status
  for (const aud of ['orders', ['orders'], ['elsewhere', 'orders'], ['orders', 'orders']]) {
    t.same([await get('/orders', aud), await get('/billing', aud), await get('/auth/session', aud)], [200, 401, 401], JSON.stringify(aud))
  }
  for (const aud of ['order', 'orders2', 'orders/', '/orders', 'Orders', 'ORDERS', ' orders', 'orders ', 'orders\0', 'orders,billing', 'orders billing', '*', '.*', 'orders|billing', `${origin}/orders`, ['order', 's'], ['Orders'], origin]) {
    t.equal(await get('/orders', aud), 401, JSON.stringify(aud))
  }
  t.equal(await get('/auth/session', origin), 200)
  for (const aud of ['origin', `${origin}/`, `${origin}:443`, 'app.example.com', origin.toUpperCase(), 'http://app.example.com']) t.equal(await get('/auth/session', aud), 401, JSON.stringify(aud))
  t.same([orders.requests.length, billing.requests.length], [4, 0])
})

t.test('every scope that a service demands is a word of its own in the token', async t => {
  const { url, orders, claims, sign } = await start(t)
  const ask = async (scope: string) => await fetch(`${url}/orders`, { headers: bearer(sign({ ...claims, scope })) })
  for (const scope of ['', 'orders', 'orders:rea', 'orders:read2', 'xorders:read', 'Orders:read', 'ORDERS:READ', 'orders:read,orders:write', 'orders:read\torders:write', 'orders:*', '*', 'orders:write', '"orders:read"']) {
    const response = await ask(scope)
    t.equal(response.headers.get('www-authenticate'), 'Bearer error="insufficient_scope", scope="orders:read"', scope)
    await assertProblem(t, response, 403, 'PTC_ERR_SCOPE_INSUFFICIENT', scope)
  }
  for (const scope of ['orders:read', 'a orders:read', 'orders:read a', 'a  orders:read']) t.equal((await ask(scope)).status, 200, scope)
  t.equal(orders.requests.length, 4)
})

t.test('wrong claims are wrong at sign-out too, where only the end is forgiven', async t => {
  const { app, url, token, claims, sign } = await start(t)
  for (const changes of [{ iss: 'https://evil.example' }, { aud: 'orders' }, { aud: undefined }, { sid: undefined }, { jti: '' }, { exp: undefined }, { exp: 1.5 }, { iat: now() + 3600 }, { nbf: now() + 3600 }, { sub: ['ada'] }]) {
    await assertProblem(t, await post(`${url}/auth/logout`, undefined, bearer(sign({ ...claims, ...changes }))), 401, 'PTC_ERR_TOKEN_INVALID', JSON.stringify(changes))
  }
  t.equal(await statusOf(app, token), 200)

  const expired = sign({ ...claims, iat: now() - 7200, exp: now() - 3600 })
  for (const scope of ['others', 'all']) await assertProblem(t, await post(`${url}/auth/logout`, { scope }, bearer(expired)), 401, 'PTC_ERR_TOKEN_INVALID', scope)
  t.equal(await statusOf(app, token), 200)
  t.equal((await post(`${url}/auth/logout`, undefined, bearer(expired))).status, 204)
  t.equal(await statusOf(app, token), 401)
})
