/* The functions that programs need to sign in, too: programs must not load tap, which ends them after its time for a test. */

export const password = 'correct horse'

/** The limits for tests of other features, in which all users sign in from one address, many times. */
export const generousLimits = { signIn: { max: 1_000_000 }, refresh: { max: 1_000_000 } }

/** Sends a POST with a JSON body, or without a body. */
export async function post (url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url, { method: 'POST', headers: { ...body === undefined ? {} : { 'content-type': 'application/json' }, ...headers }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
}
