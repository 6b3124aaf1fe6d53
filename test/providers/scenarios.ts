import { once } from 'node:events'
import { request as http, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { Browser, signOutAt, type TestProvider } from '../helpers/openid-provider.ts'

/* What people do with an identity provider, the same for every gateway, as a browser sees it. */

export interface Guarded {
  origin: string
  /** Path of a page that demands another authentication, and for how long a sign-in of just now is enough for it, in milliseconds. */
  strong: { path: string, afterMs: number }
  /** Begins the sign-out of the user here; resolves to the address where the browser goes next, null if there is none. */
  signOut (browser: Browser): Promise<string | null>
}

export interface Seen {
  /** The browser is at the page that was asked for, with its query. */
  signIn: boolean
  /** A script without a session gets 401, not a redirect. */
  scripts: boolean
  /** Both tabs are at their pages. */
  twoTabs: boolean
  /** Cookies of sign-ins that both tabs have left. */
  leftCookies: number
  /** A user signs in after twelve tabs whose sign-ins were not finished. */
  abandonedTabs: boolean
  /** The provider has authenticated the user again, and the page is shown. */
  stepUp: boolean
  /** A copy of the cookies is worth nothing afterwards, and the browser is led to the sign-out of the provider. */
  signOutHere: boolean
  signOutAtProvider: boolean
  /** A copy of the cookies is worth nothing after the provider has sent its logout token. */
  signOutThere: boolean
  /** An event stream that was open then has ended. */
  streamEnded: boolean
  /** The same after a step-up, by which the session at the provider may have changed. */
  signOutThereAfterStepUp: boolean
  /** A logout token with the user alone, without a session, ends the session. */
  logoutOfUser: boolean
  /** The provider ends its session, and sends the logout token, before the browser comes back with its code: no session opens. */
  logoutFirst: boolean
}

const [one, other] = ['/a.html', '/b.html']
// Without Sec-Fetch-Dest, a gateway redirects at once instead of with a script that keeps the fragment.
const asBrowsersDo = { accept: 'text/html' }
/** Time after which an event stream counts as one that goes on. */
const patienceMs = 3000
const atForm = (url: string): boolean => url.includes('/interaction/')

/** Goes through the scenarios, each with a browser and a user of its own. */
export async function see (t: Test, guarded: Guarded, provider: TestProvider): Promise<Seen> {
  const seen = { ...await seeSignIns(guarded), ...await seeStepUp(guarded), ...await seeSignOutHere(guarded, provider), ...await seeSignOutThere(guarded, provider) }
  t.comment(JSON.stringify(seen))
  return seen
}

async function visit (origin: string, account: string): Promise<Browser> {
  const browser = new Browser(asBrowsersDo)
  await browser.signIn(origin + one, account)
  return browser
}

/** Tells whether cookies are worth a page. */
async function opens (origin: string, cookie: string): Promise<boolean> {
  return (await new Browser(asBrowsersDo).request(origin + one, { headers: { cookie } })).status === 200
}

async function seeSignIns ({ origin }: Guarded): Promise<Pick<Seen, 'signIn' | 'scripts' | 'twoTabs' | 'leftCookies' | 'abandonedTabs'>> {
  const isAt = ({ url, response }: { url: string, response: Response }, path: string): boolean => url === origin + path && response.status === 200
  const signedIn = await new Browser(asBrowsersDo).signIn(`${origin}${one}?x=1`, 'ada')
  const script = await fetch(origin + one, { redirect: 'manual' })
  await script.arrayBuffer()

  const tabs = new Browser(asBrowsersDo)
  const [left, right] = [await tabs.follow(origin + one, { until: atForm }), await tabs.follow(origin + other, { until: atForm })]
  const [leftEnd, rightEnd] = [await tabs.signIn(left.url, 'bea'), await tabs.signIn(right.url, 'bea')]

  const busy = new Browser(asBrowsersDo)
  for (let tab = 0; tab < 12; tab++) await busy.follow(`${origin}/tab-${tab}.html`, { until: atForm })
  return {
    signIn: isAt(signedIn, `${one}?x=1`),
    scripts: script.status === 401,
    twoTabs: isAt(leftEnd, one) && isAt(rightEnd, other),
    leftCookies: tabs.cookies(origin).split('; ').length - 1,
    abandonedTabs: isAt(await busy.signIn(origin + one, 'bob'), one)
  }
}

async function seeStepUp ({ origin, strong }: Guarded): Promise<Pick<Seen, 'stepUp'>> {
  const browser = await visit(origin, 'cy')
  await delay(strong.afterMs)
  const { asked, response } = await browser.signIn(origin + strong.path, 'cy')
  return { stepUp: asked && response.status === 200 }
}

async function seeSignOutHere ({ origin, signOut }: Guarded, { issuer }: TestProvider): Promise<Pick<Seen, 'signOutHere' | 'signOutAtProvider'>> {
  const browser = await visit(origin, 'di')
  const copy = browser.cookies(origin)
  const next = await signOut(browser)
  return { signOutHere: !await opens(origin, copy), signOutAtProvider: next?.startsWith(issuer) === true }
}

async function seeSignOutThere ({ origin, strong }: Guarded, provider: TestProvider): Promise<Pick<Seen, 'signOutThere' | 'streamEnded' | 'signOutThereAfterStepUp' | 'logoutOfUser' | 'logoutFirst'>> {
  const ended = await visit(origin, 'ed')
  const copy = ended.cookies(origin)
  const feed = await openFeed(origin, copy)
  await signOutAt(ended, provider.issuer)

  const endedLater = await visit(origin, 'fay')
  await delay(strong.afterMs)
  await endedLater.signIn(origin + strong.path, 'fay')
  const laterCopy = endedLater.cookies(origin)
  await signOutAt(endedLater, provider.issuer)

  const endedUser = await visit(origin, 'hal')
  const copyOfUser = endedUser.cookies(origin)
  await logOutUser(provider, 'hal')

  const late = new Browser(asBrowsersDo)
  const returning = await late.signIn(origin + one, 'gus', { until: url => url.startsWith(origin) && new URL(url).searchParams.has('code') })
  await signOutAt(late, provider.issuer)
  const arrived = await late.follow(returning.url, { until: atForm })
  return {
    signOutThere: !await opens(origin, copy),
    streamEnded: await feed.hasEnded(),
    signOutThereAfterStepUp: !await opens(origin, laterCopy),
    logoutOfUser: !await opens(origin, copyOfUser),
    logoutFirst: !(arrived.url === origin + one && arrived.response.status === 200)
  }
}

/** Opens the event stream. The returned function tells whether it has ended, and ends it. */
async function openFeed (origin: string, cookie: string): Promise<{ hasEnded: () => Promise<boolean> }> {
  const request = http(`${origin}/feed`, { headers: { cookie, 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' }, agent: false })
  request.on('error', () => {})
  request.end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`the event stream was not opened: ${response.statusCode}`)
  const end = new Promise<boolean>(resolve => { response.on('error', () => {}).on('close', () => { resolve(true) }).resume() })
  return {
    async hasEnded () {
      const isEnded = await Promise.race([end, delay(patienceMs, false)])
      request.destroy()
      return isEnded
    }
  }
}

/** Makes the provider send a logout token that has a user and no session, as for a user whom its administrator has disabled. */
async function logOutUser ({ provider }: TestProvider, sub: string): Promise<void> {
  const client = await provider.Client.find('portcullis') as unknown as { backchannelLogoutSessionRequired: boolean, backchannelLogout: (sub: string) => Promise<void> }
  client.backchannelLogoutSessionRequired = false
  try {
    await client.backchannelLogout(sub)
  } catch {
    // A client that refuses the token keeps the session, which the scenario sees.
  } finally {
    client.backchannelLogoutSessionRequired = true
  }
}
