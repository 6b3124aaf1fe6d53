import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { askRaw, valuesOf, type WireAnswer } from '../helpers/wire.ts'

/*
 * The Authorization header is written as no client library writes it: in another case, with tabs, commas and quotes, twice, with
 * half an escape that throws where it is decoded, in the query or in the body. Whoever reads it in another way than the next one
 * on the way lets somebody in whom the other would have refused; whoever answers sloppily makes clients throw good tokens away.
 */

/** RFC 9110, section 11.2: a scheme and parameters, each name once, every value quoted. */
const challengePattern = /^Bearer(?: [a-z_]+="(?:[^"\\\p{Cc}]|\\["\\])*"(?:, [a-z_]+="(?:[^"\\\p{Cc}]|\\["\\])*")*)?$/u

function judge (t: Test, answer: WireAnswer, status: number, code: string | null, challenge: string | null, message: string): void {
  t.equal(answer.status, status, message)
  const challenges = valuesOf(answer, 'www-authenticate')
  t.same(challenges, challenge === null ? [] : [challenge], message)
  for (const text of challenges) {
    t.match(text, challengePattern, message)
    const names = [...text.matchAll(/([a-z_]+)="/g)].map(([, name]) => name)
    t.equal(new Set(names).size, names.length, message)
  }
  if (code !== null) t.match(JSON.parse(answer.body), { status, code }, message)
}

t.test('the scheme is read in any case, with spaces and one word behind it, and nothing else is a bearer token', async t => {
  const { app, url, orders } = await startGateway(t)
  const { token } = await signInForTokens(url)
  const { port } = app.server.address() as AddressInfo
  const missing = ['PTC_ERR_CREDENTIALS_MISSING', 'Bearer scope="orders:read"'] as const
  const invalid = ['PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"'] as const

  const good = [`Bearer ${token}`, `bearer ${token}`, `BEARER ${token}`, `bEaReR ${token}`, `Bearer  ${token}`, `Bearer     ${token}`, `Bearer ${token} `, `Bearer ${token}\t`, `  Bearer ${token}`]
  for (const value of good) judge(t, await askRaw(t, port, 'GET /orders', [`Authorization: ${value}`]), 200, null, null, JSON.stringify(value.replace(token, 'token')))

  for (const value of [
    null, '', ' ', 'Basic YTpi', `Basic ${token}`, `Token ${token}`, `JWT ${token}`, `DPoP ${token}`, `Bearertoken ${token}`, `XBearer ${token}`, `Bearer:${token}`, `Bearer=${token}`, `Bearer"${token}"`, `"Bearer" ${token}`, `Bearer\t${token}`, `Bearer,${token}`,
    token, `token=${token}`, `Basic YTpi, Bearer ${token}`, `Negotiate a, Bearer ${token}`, `, Bearer ${token}`, `\u00e9 ${token}`, 'Digest username="Bearer x", realm="a"'
  ]) judge(t, await askRaw(t, port, 'GET /orders', value === null ? [] : [`Authorization: ${value}`]), 401, ...missing, JSON.stringify(value?.replace(token, 'token')))

  for (const value of [
    'Bearer', 'Bearer ', 'Bearer  ', 'Bearer a', 'Bearer %', 'Bearer %zz', 'Bearer %00', 'Bearer %E0%A4%A', `Bearer ${token.replaceAll('.', '%2e')}`, 'Bearer .', 'Bearer ..', 'Bearer ...', 'Bearer =', 'Bearer ====', 'Bearer "', 'Bearer ""', `Bearer "${token}"`, `Bearer '${token}'`, `Bearer <${token}>`,
    `Bearer ${token} ${token}`, `Bearer  a ${token}`, `Bearer ${token},`, `Bearer ${token},${token}`, `Bearer ${token}, Bearer ${token}`, `Bearer ${token}, Basic YTpi`, `Bearer ${token};q=1`, `Bearer token="${token}"`, `Bearer Bearer ${token}`, `Bearer ${token}\tx`, `Bearer \t${token}`, 'Bearer \u00e9\u00e9', 'Bearer \xff\xfe',
    'Bearer null', 'Bearer undefined', 'Bearer [object Object]', 'Bearer true', 'Bearer __proto__', 'Bearer {}', `Bearer ${'a.'.repeat(3000)}`
  ]) judge(t, await askRaw(t, port, 'GET /orders', [`Authorization: ${value}`]), 401, ...invalid, JSON.stringify(value.replaceAll(token, 'token')))

  for (const value of ['Bearer a\0b', 'Bearer \0', 'Bearer a\x01b', 'Bearer a\x7fb', `Bearer ${token}\0`, `Bearer ${token}\n`, `Bear\ner ${token}`]) {
    judge(t, await askRaw(t, port, 'GET /orders', [`Authorization: ${value}`]), 400, 'PTC_ERR_REQUEST_INVALID', null, JSON.stringify(value.replace(token, 'token')))
  }
  t.equal(orders.requests.length, good.length)
})

t.test('the same is read at the own endpoints, and at sign-out', async t => {
  const { app, url } = await startGateway(t)
  const { token } = await signInForTokens(url)
  const { port } = app.server.address() as AddressInfo
  for (const value of ['Bearer', 'Bearer %', 'Bearer  a', `Bearer ${token}=`, `Bearer ${token} x`, 'bearer \u00e9']) {
    for (const line of ['GET /auth/session', 'GET /auth/sessions', `DELETE /auth/sessions/${'A'.repeat(22)}`, 'POST /auth/logout']) {
      judge(t, await askRaw(t, port, line, [`Authorization: ${value}`]), 401, 'PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"', `${line} ${value.replace(token, 'token')}`)
    }
  }
  judge(t, await askRaw(t, port, 'GET /auth/session', [`Authorization: Bearer ${token}`]), 200, null, null, 'nothing of that ended the session')
  for (const value of ['Basic YTpi', `Bearer\t${token}`, '']) {
    judge(t, await askRaw(t, port, 'GET /auth/session', [`Authorization: ${value}`]), 401, 'PTC_ERR_CREDENTIALS_MISSING', 'Bearer', JSON.stringify(value))
  }
})

t.test('two credentials are refused, in whatever order and form, and one that is sent twice as well', async t => {
  const { app, url, orders } = await startGateway(t)
  const { token } = await signInForTokens(url)
  const { cookie } = await signIn(url)
  const { port } = app.server.address() as AddressInfo
  const bearer = `Authorization: Bearer ${token}`
  for (const lines of [[bearer, bearer], [bearer, 'authorization: Basic YTpi'], ['AUTHORIZATION: Basic YTpi', bearer], ['Authorization:', bearer], [bearer, 'Authorization:'], [bearer, 'Authorization: Bearer zebra'], [`Cookie: ${cookie}`, bearer], [bearer, `Cookie: ${cookie}`], ['Cookie: __Host-Http-portcullis=', bearer]]) {
    judge(t, await askRaw(t, port, 'GET /orders', lines), 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS', null, lines.map(line => line.slice(0, 24)).join())
  }
  t.equal(orders.requests.length, 0)
})

t.test('a token in the query, the body, a cookie or another header is no credential, and beside one it is not looked at', async t => {
  const { app, url, orders } = await startGateway(t)
  const { token } = await signInForTokens(url)
  const { port } = app.server.address() as AddressInfo
  const form = ['Content-Type: application/x-www-form-urlencoded']
  const placesOf = (token: string): Array<[line: string, lines: string[], body: string]> => [
    [`GET /orders?access_token=${token}`, [], ''],
    ['POST /orders', form, `access_token=${token}`],
    ['GET /orders', [`Cookie: access_token=${token}; Authorization=Bearer ${token}`], ''],
    ['GET /orders', [`Proxy-Authorization: Bearer ${token}`, `X-Authorization: Bearer ${token}`, `X-Access-Token: ${token}`, `X-Forwarded-Access-Token: ${token}`, `X-Original-Authorization: Bearer ${token}`], ''],
    ['GET /orders', [`Authorization_: Bearer ${token}`], '']
  ]
  for (const [line, lines, body] of placesOf(token)) judge(t, await askRaw(t, port, line, lines, body), 401, 'PTC_ERR_CREDENTIALS_MISSING', 'Bearer scope="orders:read"', line.slice(0, 20))
  t.equal(orders.requests.length, 0)
  // What a client puts there beside a credential goes on to the service, as everything else that is the client's own.
  for (const [line, lines, body] of placesOf('zebra')) judge(t, await askRaw(t, port, line, [...lines, `Authorization: Bearer ${token}`], body), 200, null, null, line.slice(0, 20))
})

t.test('a challenge says what is wrong with the credential that came, and nothing of what it holds', async t => {
  const { app, url, advance } = await startGateway(t, {
    upstreams: [
      { prefix: '/orders', target: 'http://127.0.0.1:1', audience: 'orders', scopes: ['orders:read', 'admin'] },
      { prefix: '/recent', target: 'http://127.0.0.1:1', audience: 'orders', stepUp: { maxAge: '5m' } },
      { prefix: '/elsewhere', target: 'http://127.0.0.1:1', audience: 'elsewhere' }
    ]
  })
  const { token } = await signInForTokens(url, 'ada', ['orders'])
  const { cookie } = await signIn(url)
  const { port } = app.server.address() as AddressInfo
  advance(6 * 60_000)
  const insufficient = 'Bearer error="insufficient_scope", scope="orders:read admin"'
  const old = 'Bearer error="insufficient_user_authentication", max_age="300"'
  const ask = async (path: string, ...lines: string[]) => await askRaw(t, port, `GET ${path}`, lines)

  judge(t, await ask('/orders'), 401, 'PTC_ERR_CREDENTIALS_MISSING', 'Bearer scope="orders:read admin"', 'nothing')
  judge(t, await ask('/recent'), 401, 'PTC_ERR_CREDENTIALS_MISSING', 'Bearer', 'nothing, where no scope is demanded')
  judge(t, await ask('/orders', `Authorization: Bearer ${token}`), 403, 'PTC_ERR_SCOPE_INSUFFICIENT', insufficient, 'scope')
  judge(t, await ask('/orders', `Cookie: ${cookie}`), 403, 'PTC_ERR_SCOPE_INSUFFICIENT', insufficient, 'scope of a session')
  judge(t, await ask('/recent', `Authorization: Bearer ${token}`), 401, 'PTC_ERR_STEP_UP_REQUIRED', old, 'age')
  judge(t, await ask('/recent', `Cookie: ${cookie}`), 401, 'PTC_ERR_STEP_UP_REQUIRED', old, 'age of a session')
  judge(t, await ask('/elsewhere', `Authorization: Bearer ${token}`), 401, 'PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"', 'audience')
  judge(t, await ask('/orders', `Cookie: ${cookie.slice(0, -2)}${cookie.endsWith('AA') ? 'BA' : 'AA'}`), 401, 'PTC_ERR_SESSION_INVALID', 'Bearer', 'a bad cookie is no bad token')

  for (const value of ['Bearer zebra"', 'Bearer zebra\\', 'Bearer zebra", error="x', 'Bearer zebra%0d%0aX-Zebra:%201', 'Bearer zebra\u00e9', 'zebra zebra']) {
    const answer = await ask('/orders', `Authorization: ${value}`, `Cookie: zebra="${value}"`, `X-Request-Id: ${value}`, `Origin: https://zebra.example/"${value}`)
    t.equal(answer.status, 401)
    t.notMatch(answer.text, /zebra/i, value)
  }
})
