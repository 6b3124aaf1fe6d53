import type { FastifyInstance } from 'fastify'
import { clientFiles } from './pages/client-files.ts'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../lib/http/type-provider.ts'
import { addAccountPage } from './pages/account.ts'
import { addAssets, readViews } from './pages/assets.ts'
import { acceptFormsAlone } from './pages/forms.ts'
import { createPages, type PagesRoutesOptions } from './pages/page.ts'
import { addSignInPage } from './pages/sign-in.ts'
import { addSignOutPage } from './pages/sign-out.ts'

export type { PagesRoutesOptions }

/**
 * Registers the pages to sign in and out, for browsers without the client script. Register with the prefix of the other routes,
 * `/auth`.
 */
export default async function pagesRoutes (fastify: FastifyInstance, options: PagesRoutesOptions): Promise<void> {
  const app = fastify.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  const assets = addAssets(app, await readViews(['style.css', 'account.js', 'fragment.js']))
  addAssets(app, await clientFiles(), '/client')
  const pages = await createPages(app, options, assets)
  await acceptFormsAlone(app)
  app.addHook('onRequest', fastify.portcullis.refuseForeign)
  app.setErrorHandler((error, request, reply) => pages.showError(error, request, reply))
  addSignInPage(app, pages)
  addSignOutPage(app, pages)
  addAccountPage(app, pages)
}
