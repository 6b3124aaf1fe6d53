import t from 'tap'
import { password, post, setCookies, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'

/*
 * The attacker plants a session cookie in the victim's browser (a sub-domain, a shared machine, a script) and waits for the victim
 * to sign in: if the gateway adopts the planted value, or goes on with the session that it names, the attacker holds a signed-in
 * session without ever having seen a password.
 */

const name = '__Host-Http-portcullis'

async function whoIs (url: string, cookie: string): Promise<string> {
  const response = await fetch(`${url}/auth/session`, { headers: { cookie } })
  return response.ok ? (await response.json() as { session: { subject: string } }).session.subject : 'nobody'
}

t.test('a sign-in never goes on with the session that was there before', async t => {
  const { url } = await startGateway(t)
  const planted = await signIn(url, 'mallory')

  const response = await post(`${url}/auth/login`, { username: 'victim', password }, { cookie: planted.cookie })

  const issued = `${name}=${setCookies(response)[name] ?? ''}`
  t.not(issued.slice(0, issued.indexOf('.')), planted.cookie.slice(0, planted.cookie.indexOf('.')))
  t.equal(await whoIs(url, issued), 'victim')
  t.equal(await whoIs(url, planted.cookie), 'nobody')
})

t.test('a value that the gateway did not make never becomes a session', async t => {
  const { url, store } = await startGateway(t)
  const sid = 'AAAAAAAAAAAAAAAAAAAAAA'
  const secret = 'A'.repeat(43)
  for (const value of [`${sid}.${secret}`, sid, `${sid}.`, `.${secret}`, 'x', 'null', 'undefined', '[object Object]', `${sid}.${secret}.${secret}`]) {
    const cookie = `${name}=${value}`
    t.equal(await whoIs(url, cookie), 'nobody')
    const response = await post(`${url}/auth/login`, { username: 'victim', password }, { cookie })
    t.equal(response.status, 200)
    t.notMatch(response.headers.get('set-cookie'), new RegExp(`${sid}|${secret}`))
    t.equal(await whoIs(url, cookie), 'nobody')
  }
  t.equal(await store.read(sid), null)
})

t.test('a planted refresh cookie is not what the victim goes on with', async t => {
  const { url } = await startGateway(t)
  const planted = await signInForTokens(url, 'mallory')

  const response = await post(`${url}/auth/login`, { username: 'victim', password, mode: 'tokens' }, { cookie: planted.cookie })

  const { session } = await response.json() as { session: { sid: string, subject: string } }
  t.equal(session.subject, 'victim')
  t.not(session.sid, planted.sid)
  await assertProblem(t, await post(`${url}/auth/refresh`, undefined, { cookie: planted.cookie }), 401, 'PTC_ERR_REFRESH_REFUSED')
})

t.test('only the cookie carries a session: URL, body and other headers do not', async t => {
  const { url } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  const value = cookie.slice(name.length + 1)
  for (const path of [`/auth/session?${name}=${value}`, `/auth/session?sid=${sid}&session=${value}`]) {
    const response = await fetch(`${url}${path}`, { headers: { 'x-session-id': value, [name]: value, authorization: `Session ${value}` } })
    await assertProblem(t, response, 401, 'PTC_ERR_CREDENTIALS_MISSING')
  }
  await assertProblem(t, await fetch(`${url}/auth/session;${name}=${value}`), 400, 'PTC_ERR_PATH_REFUSED')
})

t.test('the id of a session is no credential: whoever knows it from a list or a log is nobody', async t => {
  const { url } = await startGateway(t)
  const [mine, other] = [await signIn(url), await signIn(url)]
  const secret = mine.cookie.split('.')[1]!
  for (const value of [other.sid, `${other.sid}.${secret}`, `${other.sid}.${'A'.repeat(43)}`]) t.equal(await whoIs(url, `${name}=${value}`), 'nobody')
  t.equal(await whoIs(url, mine.cookie), 'ada')
})

t.test('every character of the cookie counts', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const start = name.length + 1
  for (let at = start; at < cookie.length; at++) {
    const changed = `${cookie.slice(0, at)}${cookie[at] === 'A' ? 'B' : 'A'}${cookie.slice(at + 1)}`
    t.equal(await whoIs(url, changed), 'nobody', String(at - start))
  }
  for (const changed of [`${cookie}A`, cookie.slice(0, -1), `${cookie}=`, `${cookie.slice(0, start)}"${cookie.slice(start)}"`, cookie.replace('.', '%2E')]) t.equal(await whoIs(url, changed), 'nobody')
  t.equal(await whoIs(url, cookie), 'ada', 'and none of it costs the owner the session')
})

t.test('uses of the old cookie while its owner signs in again do not keep it alive', async t => {
  const { url } = await startGateway(t)
  const planted = await signIn(url, 'mallory')
  const use = async () => (await fetch(`${url}/orders`, { headers: { cookie: planted.cookie } })).status

  const before = Array.from({ length: 50 }, use)
  const [response, ...statuses] = await Promise.all([post(`${url}/auth/login`, { username: 'victim', password }, { cookie: planted.cookie }), ...before, ...Array.from({ length: 50 }, use)])

  t.equal(response.status, 200)
  t.same([...new Set(statuses)].filter(status => status !== 200 && status !== 401), [])
  t.equal(await whoIs(url, planted.cookie), 'nobody')
  t.equal(await use(), 401)
})

t.test('uses of the old cookie during a step-up do not keep it alive', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const use = async () => (await fetch(`${url}/orders`, { headers: { cookie } })).status

  const before = Array.from({ length: 50 }, use)
  const [response] = await Promise.all([post(`${url}/auth/step-up`, { password }, { cookie }), ...before, ...Array.from({ length: 50 }, use)])

  const renewed = `${name}=${setCookies(response)[name] ?? ''}`
  t.equal(await whoIs(url, cookie), 'nobody')
  t.equal(await use(), 401)
  t.equal(await whoIs(url, renewed), 'ada')
})
