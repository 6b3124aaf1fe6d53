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
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<h1>${escaped(title)}</h1>
${detail === undefined ? '' : `<p>${escaped(detail)}</p>\n`}${help}<p>${status} <code>${escaped(code)}</code></p>
<p>Request <code>${escaped(requestId)}</code></p>
</html>
`
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

function escaped (text: string): string {
  return text.replace(/[&<>"']/g, character => entities[character]!)
}
