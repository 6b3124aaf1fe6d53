import { fileURLToPath } from 'node:url'
import view from '@fastify/view'
import { Eta } from 'eta'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../../lib/identity.ts'
import { isUnder, localAddress, signInAddress } from '../../lib/http/return-to.ts'
import { beginProblem, noteRefusal } from '../../plugins/errors.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'
import type { SignInHooks } from '../../sign-in/hooks.ts'
import type { Way } from '../../sign-in/way.ts'
import { createWays, type WaysOptions } from '../../sign-in/ways.ts'
import { views, type AssetAddresses } from './assets.ts'
import { explainProblem, explainRefusal, isRefusal, needsSignIn, type Asked } from './words.ts'

export interface PagesRoutesOptions extends WaysOptions {
  /** The origin that browsers use, and the audience of these routes. */
  origin: string
  /** The audiences of a session, besides `origin`. */
  audiences: readonly string[]
  /** The SameSite attribute of the session cookie, as in portcullis-cookies. Default: lax. */
  sameSite?: 'lax' | 'strict'
  /** Functions that run before and after sign-in and sign-out. Those of `authRoutes` apply to the pages too. */
  hooks?: SignInHooks
}

/** The functions and settings that all pages share. */
export interface Pages extends PagesRoutesOptions {
  portcullis: Portcullis
  ways: readonly Way[]
  signInPath: string
  accountPath: string
  /** Returns the address to redirect to after sign-in: `asked` when it is a permitted path of this origin, otherwise the account page. */
  returnTo (asked: unknown): string
  show (reply: FastifyReply, page: Page, data: PageData): Promise<FastifyReply>
  /** Shows the page again with the reason why a password, or what else it has asked for, was refused. Rethrows other errors. */
  showRefusal (error: unknown, reply: FastifyReply, page: Page, data: Omit<PageData, 'title'>, asked?: Asked): Promise<FastifyReply>
  showError (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
  redirect (reply: FastifyReply, to: string): FastifyReply
}

type Page = 'sign-in' | 'sign-out' | 'step-up' | 'account' | 'confirm' | 'second-factor' | 'again' | 'leave' | 'from-elsewhere' | 'problem'
type PageData = { title: string } & Record<string, unknown>

const decorator = 'portcullisPage'

const headers = {
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  // The value no-referrer would make browsers send `Origin: null` with forms.
  'referrer-policy': 'same-origin'
}

const policy = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
const withScript = `${policy}; script-src 'self'`
const policies: Partial<Record<Page, string>> = { account: withScript, again: withScript, leave: withScript, 'from-elsewhere': withScript }

/** Returns the policy of a page. The sign-in page has a script only for the links to identity providers. */
function policyOf (page: Page, { providers }: PageData): string {
  const hasLinks = page === 'sign-in' && Array.isArray(providers) && providers.length > 0
  return hasLinks ? withScript : policies[page] ?? policy
}

export async function createPages (app: FastifyInstance, options: PagesRoutesOptions, assets: AssetAddresses): Promise<Pages> {
  await app.register(view, { engine: { eta: new Eta({ autoEscape: true }) }, root: fileURLToPath(views), viewExt: 'eta', production: true, propertyName: decorator })
  const render = app.getDecorator<(page: string, data: object) => Promise<string>>(decorator)
  const { origin } = options
  const base = app.prefix
  const [signInPath, signOutPath, accountPath] = [`${base}/sign-in`, `${base}/sign-out`, `${base}/account`]
  const common = { host: new URL(origin).host, signInPath, signOutPath, accountPath, assets }

  async function show (reply: FastifyReply, page: Page, data: PageData): Promise<FastifyReply> {
    const html = await render(page, { ...common, ...data })
    return await reply.headers(headers).headers({ 'content-security-policy': policyOf(page, data), 'content-type': 'text/html; charset=utf-8' }).send(html)
  }

  const redirect = (reply: FastifyReply, to: string): FastifyReply => reply.headers(headers).redirect(to, 303)

  return {
    ...options,
    portcullis: app.portcullis,
    ways: createWays(options),
    signInPath,
    accountPath,
    show,
    redirect,
    returnTo (asked) {
      const path = typeof asked === 'string' ? localAddress(asked, origin) : null
      // The sign-in page would redirect a signed-in user to itself, and the other paths under `base` are not pages for users.
      return path === null || (isUnder(path, base) && !isUnder(path, accountPath)) ? accountPath : path
    },
    async showRefusal (error, reply, page, data, asked = page === 'sign-in' ? 'name' : 'password') {
      if (!isRefusal(error)) throw error
      const { code } = beginProblem(error, reply.request, reply)
      return await show(reply, page, { ...data, title: page === 'sign-in' ? 'Not signed in' : 'Not confirmed', refusal: explainRefusal(code, asked, retryAfter(reply)) })
    },
    async showError (error, request, reply) {
      if (needsSignIn(error)) {
        noteRefusal(error, request)
        return redirect(reply, signInAddress(signInPath, accountPath))
      }
      return await show(reply, 'problem', { ...explainProblem(beginProblem(error, request, reply), retryAfter(reply)), id: request.id })
    }
  }
}

/**
 * Returns the identity of the session cookie, or null. Reads the store, because a stale answer would redirect a user whom an
 * upstream sent here back to it.
 */
export async function whoIsSignedIn (request: FastifyRequest, { portcullis, origin }: Pages, { isUse }: { isUse: boolean }): Promise<Identity | null> {
  try {
    return await portcullis.identify(request, { audience: origin, access: 'session', consistency: 'strict', isUse })
  } catch (error) {
    if (needsSignIn(error) || (error as FastifyError).code === 'PTC_ERR_SCOPE_INSUFFICIENT') return null
    throw error
  }
}

function retryAfter (reply: FastifyReply): number {
  return Number(reply.getHeader('retry-after'))
}
