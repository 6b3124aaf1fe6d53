/*
 * What programs need to sign in, too: those that are no tests must not load tap, which ends them after its time for a test.
 */

export const password = 'correct horse'

/** For tests of something else: everybody signs in from one address, many times. */
export const generousLimits = { signIn: { max: 1_000_000 }, refresh: { max: 1_000_000 } }

/** POST with a JSON body, or none. */
export async function post (url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url, { method: 'POST', headers: { ...body === undefined ? {} : { 'content-type': 'application/json' }, ...headers }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
}
