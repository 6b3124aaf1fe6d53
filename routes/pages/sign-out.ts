import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hidden } from '../../lib/http/route-schema.ts'
import type { TypeBoxProvider } from '../../lib/http/type-provider.ts'
import { providerNames } from '../../plugins/authenticate/login-urls.ts'
import { carriedProvider, providerLogoutUrl } from '../../sign-in/provider/logout.ts'
import { signOut } from '../../sign-in/sign-out.ts'
import { whoIsSignedIn, type Pages } from './page.ts'

/**
 * Adds the page that applications link to, or post a form to, to sign the user out, in both modes. A GET request ends no session. Fields of
 * the form are ignored: frameworks add hidden ones to every form, and a sign-out must not fail because of them.
 */
export function addSignOutPage (fastify: FastifyInstance, pages: Pages): void {
  const app = fastify.withTypeProvider<TypeBoxProvider>()

  app.get('/sign-out', { schema: { ...hidden } }, async (request, reply) => {
    const who = await whoIsSignedIn(request, pages, { isUse: false })
    return await pages.show(reply, 'sign-out', { title: 'Sign out', provider: knownProvider(who?.provider?.name, pages) })
  })

  app.post<{ Body: { provider?: unknown } | null }>('/sign-out', { schema: { ...hidden } }, async (request, reply) => {
    return await signOutByForm(request, reply, { scope: 'this', andProvider: request.body?.provider === '1' }, pages)
  })
}

/** Returns the name of a provider, if it is configured; otherwise null. */
export function knownProvider (name: string | null | undefined, { portcullis }: Pages): string | null {
  return name != null && providerNames(portcullis).includes(name) ? name : null
}

/**
 * Ends the sessions, and then navigates to the page on which the user signs out of the provider too, if that is asked for and the provider
 * has one. The browser gets there by a page, because it applies the form-action policy of the form (CSP) to redirects.
 */
export async function signOutByForm (request: FastifyRequest, reply: FastifyReply, { scope, andProvider }: { scope: 'this' | 'all', andProvider: boolean }, pages: Pages): Promise<FastifyReply> {
  const { portcullis, origin, signInPath } = pages
  const signedOutPath = `${signInPath}?signed_out`
  const provider = andProvider ? await carriedProvider(request, portcullis) : null
  await signOut(request, reply, { scope, origin, portcullis })
  const next = await providerLogoutUrl(provider, { returnTo: `${origin}${signedOutPath}`, portcullis })
  return next === null ? pages.redirect(reply, signedOutPath) : await pages.show(reply, 'leave', { title: 'Signed out', next, provider: provider?.name })
}
