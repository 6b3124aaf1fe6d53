import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'

export const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })

/** Resolves to the status of `GET /auth/session` for a token. It uses no socket, so that thousands can be tried. */
export async function statusOf (app: FastifyInstance, token: string): Promise<number> {
  return (await app.inject({ url: '/auth/session', headers: bearer(token) })).statusCode
}

/**
 * Asserts that each of many tokens is refused with the challenge for invalid tokens. `tokens`: what is wrong with each, and the
 * token.
 */
export async function assertAllRefused (t: Test, app: FastifyInstance, tokens: Iterable<readonly [what: string, token: string]>): Promise<void> {
  const wrong: string[] = []
  let tried = 0
  for (const [what, token] of tokens) {
    const { statusCode, headers, body } = await app.inject({ url: '/auth/session', headers: bearer(token) })
    tried++
    if (statusCode !== 401 || headers['www-authenticate'] !== 'Bearer error="invalid_token"' || !body.includes('PTC_ERR_TOKEN_INVALID')) wrong.push(`${what}: ${statusCode} ${body}`)
  }
  t.ok(tried > 0)
  t.same(wrong, [], `${tried} tokens`)
}
