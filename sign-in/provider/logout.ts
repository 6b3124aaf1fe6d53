import type { FastifyRequest } from 'fastify'
import { publish, sourceOf } from '../../lib/events.ts'
import { providerSubjectOf, type ProviderSession } from '../../lib/session/provider-session.ts'
import type { Provider } from '../../plugins/oidc/provider.ts'
import { partOrNull, type Portcullis } from '../../plugins/portcullis.ts'
import { presentedSids } from '../../plugins/session/carried-sessions.ts'

/**
 * Ends the sessions that a provider has logged out with a logout token (OpenID Connect Back-Channel Logout 1.0). When it resolves, they have
 * ended durably. Rejects with LogoutTokenInvalidError, and with StoreUnavailableError or ProviderUnavailableError if the outcome is unknown.
 */
export async function logOutByProvider (request: FastifyRequest, { provider, token, portcullis }: { provider: Provider, token: string, portcullis: Portcullis }): Promise<void> {
  try {
    const { sub, sid, jti, keepJtiForMs } = await provider.verifyLogoutToken(token)
    const subject = sub === null ? null : providerSubjectOf({ name: provider.name, sub })
    await portcullis.blocklist.endProviderSessions({ provider: provider.name, subject, sid, jti, keepJtiForMs }, sourceOf(request))
  } catch (error) {
    const { statusCode = 500 } = error as { statusCode?: number }
    publish({ event: 'provider.logout', provider: provider.name, outcome: statusCode < 500 ? 'refused' : 'failed', ...sourceOf(request) }, portcullis)
    throw error
  }
}

/** Returns the part about the provider of the session that the request carries; null if it carries none that began at a provider. */
export async function carriedProvider (request: FastifyRequest, portcullis: Portcullis): Promise<ProviderSession | null> {
  for (const sid of await presentedSids(request, portcullis)) {
    const record = await portcullis.store.read(sid)
    if (record !== null && record.provider !== null) return record.provider
  }
  return null
}

/**
 * Returns the address at which the user of an ended session signs out of the provider; null if there is none. A provider that cannot be
 * reached yields null too, because the session here has ended.
 */
export async function providerLogoutUrl (session: ProviderSession | null, { returnTo, portcullis }: { returnTo: string, portcullis: Portcullis }): Promise<string | null> {
  const oidc = partOrNull(portcullis, 'oidc')
  const provider = session === null ? undefined : oidc?.providers.get(session.name)
  if (oidc === null || session === null || provider === undefined) return null
  const idToken = session.idToken === null ? null : oidc.logins.openIdToken(session.name, session.idToken)
  try {
    return await provider.logoutUrl({ idToken, returnTo })
  } catch (error) {
    if ((error as { code?: string }).code !== 'PTC_ERR_PROVIDER_UNAVAILABLE') throw error
    return null
  }
}
