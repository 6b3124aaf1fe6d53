import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { checkOptions } from '../lib/check-options.ts'
import { addPart } from '../plugins/portcullis.ts'
import { addHooks } from '../sign-in/hooks.ts'
import { checkSignIn, signInOptions } from './options.ts'
import { clientFiles } from './pages/client-files.ts'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../lib/http/type-provider.ts'
import { addAccountPage } from './pages/account.ts'
import { addAssets, readViews } from './pages/assets.ts'
import { acceptFormsAlone } from './pages/forms.ts'
import { createPages, type PagesRoutesOptions } from './pages/page.ts'
import { addSignInPage } from './pages/sign-in.ts'
import { addSignOutPage } from './pages/sign-out.ts'

export type { PagesRoutesOptions }

const Options = Type.Object({
  ...signInOptions,
  origin: Type.String({ pattern: '^https?://[^/?#]+$', errorMessage: 'must be scheme, host and port alone, such as https://app.example.com' }),
  sameSite: Type.Optional(Type.Union([Type.Literal('lax'), Type.Literal('strict')], { errorMessage: 'must be lax or strict' }))
}, { additionalProperties: false })

/**
 * Registers the pages to sign in and out, for browsers without the client script. Register with the prefix of the other routes,
 * `/auth`.
 */
export default async function pagesRoutes (fastify: FastifyInstance, given: PagesRoutesOptions): Promise<void> {
  const options = checkOptions('pagesRoutes', Options, given)
  checkSignIn(fastify, 'pagesRoutes', options)
  if (options.hooks !== undefined) addHooks(fastify, options.hooks)
  const app = fastify.withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  const assets = addAssets(app, await readViews(['style.css', 'account.js', 'fragment.js']))
  addAssets(app, await clientFiles(), '/client')
  const pages = await createPages(app, options, assets)
  await acceptFormsAlone(app)
  app.addHook('onRequest', fastify.portcullis.refuseForeign)
  app.setErrorHandler((error, request, reply) => pages.showError(error, request, reply))
  addPart(app, 'signInPage', { path: pages.signInPath, hasPasswords: pages.ways.length > 0 })
  addSignInPage(app, pages)
  addSignOutPage(app, pages)
  addAccountPage(app, pages)
}
