import t from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { clientOf, startOpenIdProvider } from '../helpers/openid-provider.ts'
import { startGatewayAt } from './gateway.ts'
import { see } from './scenarios.ts'

t.test('Portcullis signs in, steps up and signs out as the guide says', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  await startGatewayAt(t, port, provider.issuer)
  const seen = await see(t, {
    origin,
    strong: { path: '/strong/', afterMs: 3100 },
    async signOut (browser) {
      const answer = await browser.request(`${origin}/auth/logout`, { method: 'POST', json: { provider: true }, headers: { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' } })
      return (await answer.json() as { logout_url: string }).logout_url
    }
  }, provider)

  t.same(seen, { signIn: true, scripts: true, twoTabs: true, leftCookies: 0, abandonedTabs: true, stepUp: true, signOutHere: true, signOutAtProvider: true, signOutThere: true, streamEnded: true, signOutThereAfterStepUp: true, logoutOfUser: true, logoutFirst: true })
})
