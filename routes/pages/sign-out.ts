import type { FastifyInstance } from 'fastify'
import { hidden } from '../../lib/http/route-schema.ts'
import type { TypeBoxProvider } from '../../lib/http/type-provider.ts'
import { signOut } from '../../sign-in/sign-out.ts'
import type { Pages } from './page.ts'

/**
 * Adds the page that applications link to, or post a form to, to sign the user out, in both modes. A GET request ends no session. Fields of
 * the form are ignored: frameworks add hidden ones to every form, and a sign-out must not fail because of them.
 */
export function addSignOutPage (fastify: FastifyInstance, pages: Pages): void {
  const app = fastify.withTypeProvider<TypeBoxProvider>()
  const { portcullis, origin, signInPath } = pages

  app.get('/sign-out', { schema: { ...hidden } }, async (_request, reply) => await pages.show(reply, 'sign-out', { title: 'Sign out' }))

  app.post('/sign-out', { schema: { ...hidden } }, async (request, reply) => {
    await signOut(request, reply, { scope: 'this', origin, portcullis })
    return pages.redirect(reply, `${signInPath}?signed_out`)
  })
}
