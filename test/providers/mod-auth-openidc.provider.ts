import t from 'tap'
import { clientOf, startOpenIdProvider } from '../helpers/openid-provider.ts'
import { prepareApache } from './apache.ts'
import { see } from './scenarios.ts'
import { startService } from './service.ts'

/* The peer: Apache with mod_auth_openidc in front of the same provider. docs/guides/identity-providers.md shows what it does. */

t.test('mod_auth_openidc signs in, steps up and signs out as the guide says', async t => {
  const apache = await prepareApache(t)
  const { origin } = apache
  const client = clientOf(origin, { redirect_uris: [`${origin}/oidc/callback`], post_logout_redirect_uris: [`${origin}/a.html`], backchannel_logout_uri: `${origin}/oidc/callback?logout=backchannel` })
  const provider = await startOpenIdProvider(t, { clients: [client] })
  await apache.start(provider.issuer, (await startService(t)).url)
  const seen = await see(t, {
    origin,
    strong: { path: '/strong/', afterMs: 0 },
    signOut: async browser => (await browser.request(`${origin}/oidc/callback?logout=${encodeURIComponent(`${origin}/a.html`)}`)).headers.get('location')
  }, provider)

  t.same(seen, { signIn: true, scripts: true, twoTabs: true, leftCookies: 0, abandonedTabs: false, stepUp: true, signOutHere: true, signOutAtProvider: true, signOutThere: true, streamEnded: false, signOutThereAfterStepUp: true, logoutOfUser: false, logoutFirst: true })
})
