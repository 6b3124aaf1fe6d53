import t from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { Browser } from '../helpers/openid-provider.ts'
import { startGatewayAt } from './gateway.ts'
import { startGlewlwyd } from './glewlwyd.ts'

/* A provider in C. What it does not do is in docs/guides/identity-providers.md. */

t.test('a user of Glewlwyd signs in, and is signed out when the session there ends', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const glewlwyd = await startGlewlwyd(t, { origin, users: ['ada'] })
  const app = await startGatewayAt(t, port, glewlwyd.issuer, { scopes: ['openid'], claims: ['name', 'email'] })
  const browser = new Browser()
  const { url, response } = await glewlwyd.signIn(browser, `${origin}/a.html?x=1`, 'ada')
  t.equal(url, `${origin}/a.html?x=1`)
  t.equal(response.status, 200)
  const { session } = await (await browser.request(`${origin}/auth/session`)).json() as { session: { sid: string, subject: string } }
  t.match(session.subject, /^corp\|.+/)
  t.same((await app.portcullis.store.read(session.sid))!.provider!.claims, { name: 'ada', email: 'ada@example.com' })

  const cookie = browser.cookies(origin)
  const logout = await browser.request(`${origin}/auth/logout`, { method: 'POST', json: { provider: true }, headers: { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' } })
  const { logout_url: address } = await logout.json() as { logout_url: string }
  t.ok(address.startsWith(`${glewlwyd.issuer}/end_session`))
  t.equal((await fetch(`${origin}/a.html`, { headers: { cookie } })).status, 401)
})

t.test('a session that ends at Glewlwyd ends at the gateway', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const glewlwyd = await startGlewlwyd(t, { origin, users: ['bea'] })
  const app = await startGatewayAt(t, port, glewlwyd.issuer, { scopes: ['openid'], claims: ['name', 'email'] })
  const browser = new Browser()
  await glewlwyd.signIn(browser, `${origin}/a.html`, 'bea')
  const { session } = await (await browser.request(`${origin}/auth/session`)).json() as { session: { sid: string } }
  const record = await app.portcullis.store.read(session.sid)
  const statuses: number[] = [(await browser.request(`${origin}/a.html`)).status]
  await glewlwyd.signOut(browser, record!.provider!.sid!)
  // Glewlwyd sends its logout token after it has answered.
  do statuses.push((await browser.request(`${origin}/auth/session`)).status)
  while (statuses.at(-1) === 200)
  t.same([statuses[0], statuses.at(-1)], [200, 401])
})

t.test('a step-up is refused, because Glewlwyd states no time of the authentication, and the session continues', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const glewlwyd = await startGlewlwyd(t, { origin, users: ['cy'] })
  await startGatewayAt(t, port, glewlwyd.issuer, { scopes: ['openid'] })
  const browser = new Browser()
  await glewlwyd.signIn(browser, `${origin}/a.html`, 'cy')
  const { url, response } = await glewlwyd.signIn(browser, `${origin}/strong/a.html`, 'cy')
  t.ok(url.startsWith(`${origin}/auth/callback/corp?`))
  t.equal(response.status, 403)
  t.equal((await browser.request(`${origin}/a.html`)).status, 200)
})

t.test('a user who was signed out everywhere stays out, because Glewlwyd cannot prove that it has asked for the password', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const glewlwyd = await startGlewlwyd(t, { origin, users: ['di'] })
  await startGatewayAt(t, port, glewlwyd.issuer, { scopes: ['openid'] })
  const browser = new Browser()
  await glewlwyd.signIn(browser, `${origin}/a.html`, 'di')
  const ended = await browser.request(`${origin}/auth/logout`, { method: 'POST', json: { scope: 'all' }, headers: { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' } })
  t.equal(ended.status, 204)
  const { url, response } = await glewlwyd.signIn(browser, `${origin}/a.html`, 'di')
  t.ok(url.startsWith(`${origin}/auth/callback/corp?`))
  t.equal(response.status, 403)
})
