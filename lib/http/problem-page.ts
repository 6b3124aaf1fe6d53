import type { ProblemBody } from './problem.ts'

export interface PageOptions {
  /** Id of the request, which the log contains. */
  requestId: string
  /** Path of the sign-in page, if signing in helps. */
  signInPath?: string | undefined
}

/** Returns a problem as a small HTML page. It needs no styles and no scripts, which the gateway's own policy forbids. */
export function problemPage ({ status, title, detail, code }: ProblemBody, { requestId, signInPath }: PageOptions): string {
  const help = signInPath === undefined ? '' : `<p>You are signed out, or have to confirm who you are, and nothing was done. <a href="${escaped(signInPath)}">Sign in</a>, then go back and try again.</p>\n`
  return page(title, `${detail === undefined ? '' : `<p>${escaped(detail)}</p>\n`}${help}`, { status, code, requestId })
}

export interface LoginPageOptions {
  /** Id of the request, which the log contains. */
  requestId: string
  /** Address at which the sign-in with the provider starts again; null if it has none. */
  loginPath: string | null
  /** Path of the page that offers every way to sign in; null without such a page. */
  signInPath: string | null
  /** Seconds until another attempt can succeed; null if waiting does not help. */
  retryAfterSeconds: number | null
}

/** Returns the page of a sign-in with an identity provider that has failed: what happened, and what the user can do. */
export function loginProblemPage ({ status, title, code }: ProblemBody, { requestId, loginPath, signInPath, retryAfterSeconds }: LoginPageOptions): string {
  const links = [...loginPath === null ? [] : [`<a href="${escaped(loginPath)}">Try again</a>`], ...signInPath === null ? [] : [`<a href="${escaped(signInPath)}">Sign in</a>`]]
  const wait = retryAfterSeconds === null ? '' : `<p>Wait ${retryAfterSeconds} ${retryAfterSeconds === 1 ? 'second' : 'seconds'} before you try again.</p>\n`
  return page(title, `<p>${explanations[code] ?? 'You are not signed in. Nothing has changed.'}</p>\n${wait}${links.length === 0 ? '' : `<p>${links.join(' · ')}</p>\n`}`, { status, code, requestId })
}

const explanations: Record<string, string> = {
  PTC_ERR_LOGIN_INVALID: 'The sign-in was not completed. It may have taken too long, it was done already, or it was started in another browser. You are not signed in. Start again.',
  PTC_ERR_LOGIN_FORBIDDEN: 'The identity provider knows you, but you may not sign in here with this account, or the provider did not confirm that it has asked you again. Use another account, or ask the operator for access.',
  PTC_ERR_PROVIDER_UNAVAILABLE: 'You cannot sign in there at the moment. It is not your fault, and existing sessions continue.',
  PTC_ERR_STORE_UNAVAILABLE: 'You cannot sign in at the moment. It is not your fault, and existing sessions continue.',
  PTC_ERR_STEP_UP_REQUIRED: 'The identity provider did not confirm that it is you in the way that is needed here. You are still signed in.',
  PTC_ERR_NOT_FOUND: 'There is no such way to sign in.'
}

interface Foot { status: number, code: string, requestId: string }

function page (title: string, content: string, { status, code, requestId }: Foot): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<h1>${escaped(title)}</h1>
${content}<p>${status} <code>${escaped(code)}</code></p>
<p>Request <code>${escaped(requestId)}</code></p>
</html>
`
}

/** Returns a page that requests another address at once. Its policy forbids scripts, so a refresh does it, and a link without that. */
export function redirectPage (address: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="0; url=${escaped(address)}">
<title>One moment</title>
<p><a href="${escaped(address)}">Continue</a></p>
</html>
`
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

function escaped (text: string): string {
  return text.replace(/[&<>"']/g, character => entities[character]!)
}
