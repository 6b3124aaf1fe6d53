import type { Test } from 'tap'
import { Browser, signOutAt, type TestProvider } from '../helpers/openid-provider.ts'

/* What people do with an identity provider, the same for every gateway, as a browser sees it. */

export interface Guarded {
  origin: string
  /** Paths of two pages behind the sign-in, and of one that demands the strength `2`. */
  pages: [one: string, other: string]
  strong: string
  /** Begins the sign-out of the user here; resolves to the address where the browser goes next, null if there is none. */
  signOut (browser: Browser): Promise<string | null>
}

export interface Seen {
  /** The browser is at the page that was asked for, with its query. */
  signIn: boolean
  /** Both tabs are at their pages, and cookies of sign-ins are gone. */
  twoTabs: boolean
  leftCookies: number
  /** The provider has authenticated the user again, and the page is shown. */
  stepUp: boolean
  /** A copy of the cookies is worth nothing afterwards, and the provider is asked to end its session. */
  signOutHere: boolean
  signOutAtProvider: boolean
  /** A copy of the cookies is worth nothing after the provider has sent its logout token. */
  signOutThere: boolean
  /** The same after a step-up, by which the session at the provider may have changed. */
  signOutThereAfterStepUp: boolean
  /** The provider ends its session, and sends the logout token, before the browser comes back with its code: no session opens. */
  logoutFirst: boolean
  /** A script without a session gets 401, not a redirect. */
  scripts: boolean
}

const asBrowsersDo = { 'sec-fetch-dest': 'document', accept: 'text/html' }

async function statusWith (cookie: string, url: string): Promise<number> {
  const browser = new Browser(asBrowsersDo)
  return (await browser.request(url, { headers: { cookie } })).status
}

/** Goes through the scenarios, each with a browser and a user of its own. */
export async function see (t: Test, { origin, pages: [one, other], strong, signOut }: Guarded, { issuer }: TestProvider): Promise<Seen> {
  const visit = async (account: string): Promise<Browser> => {
    const browser = new Browser(asBrowsersDo)
    await browser.signIn(origin + one, account)
    return browser
  }
  const isAt = (url: string, path: string, status: number): boolean => url === origin + path && status === 200

  const first = new Browser(asBrowsersDo)
  const signedIn = await first.signIn(`${origin}${one}?x=1`, 'ada')

  const tabs = new Browser(asBrowsersDo)
  const atForm = (url: string): boolean => url.includes('/interaction/')
  const [left, right] = [await tabs.follow(origin + one, { until: atForm }), await tabs.follow(origin + other, { until: atForm })]
  const [leftEnd, rightEnd] = [await tabs.signIn(left.url, 'bea'), await tabs.signIn(right.url, 'bea')]

  const stronger = await visit('cy')
  const steppedUp = await stronger.signIn(origin + strong, 'cy')

  const leaving = await visit('di')
  const copy = leaving.cookies(origin)
  const next = await signOut(leaving)

  const ended = await visit('ed')
  const endedCopy = ended.cookies(origin)
  await signOutAt(ended, issuer)

  const endedLater = await visit('fay')
  await endedLater.signIn(origin + strong, 'fay')
  const laterCopy = endedLater.cookies(origin)
  await signOutAt(endedLater, issuer)

  const late = new Browser(asBrowsersDo)
  const returning = await late.signIn(origin + one, 'gus', { until: url => url.startsWith(origin) && new URL(url).searchParams.has('code') })
  await signOutAt(late, issuer)
  const arrived = await late.follow(returning.url, { until: atForm })

  const script = await fetch(origin + one, { redirect: 'manual' })
  await script.arrayBuffer()
  const seen = {
    signIn: isAt(signedIn.url, `${one}?x=1`, signedIn.response.status),
    twoTabs: isAt(leftEnd.url, one, leftEnd.response.status) && isAt(rightEnd.url, other, rightEnd.response.status),
    leftCookies: tabs.cookies(origin).split('; ').length - 1,
    stepUp: steppedUp.asked && steppedUp.response.status === 200,
    signOutHere: await statusWith(copy, origin + one) !== 200,
    signOutAtProvider: next?.startsWith(issuer) === true,
    signOutThere: await statusWith(endedCopy, origin + one) !== 200,
    signOutThereAfterStepUp: await statusWith(laterCopy, origin + one) !== 200,
    logoutFirst: !isAt(arrived.url, one, arrived.response.status),
    scripts: script.status === 401
  }
  t.comment(JSON.stringify(seen))
  return seen
}
