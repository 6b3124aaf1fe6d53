import type { Test } from 'tap'

/** Asserts that the answer is the problem of this code (RFC 9457) and that no cache may store it. Resolves to its text. */
export async function assertProblem (t: Test, response: Response, status: number, code: string, message = code): Promise<string> {
  const text = await response.text()
  t.equal(response.status, status, `${message}: ${text}`)
  t.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8', message)
  t.equal(response.headers.get('cache-control'), 'no-store', message)
  t.equal(response.headers.has('www-authenticate'), status === 401 || code === 'PTC_ERR_SCOPE_INSUFFICIENT', message)
  if (status === 503) {
    t.match(response.headers.get('retry-after'), /^[1-9]\d*$/, message)
    t.same(response.headers.getSetCookie(), [], message)
  }
  const { detail, ...body } = parse(text)
  t.match(body, { type: `urn:portcullis:error:${code.toLowerCase().replaceAll('_', '-')}`, title: /^[A-Z]/, status, code }, message)
  t.same(Object.keys(body).sort(), ['code', 'status', 'title', 'type'], message)
  t.ok(detail === undefined || typeof detail === 'string', message)
  return text
}

function parse (text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}
