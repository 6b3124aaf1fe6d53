import type { SessionView } from '../../lib/session/view.ts'

/** The answer to a sign-in or a refresh; it has the token's members in tokens mode only. */
export interface SignInAnswer {
  session: SessionView
  access_token?: string
  token_type?: string
  expires_in?: number
  refresh_in?: number
}

export const sessionMembers = ['acr', 'amr', 'auth_time', 'client', 'created_at', 'device', 'expires_at', 'idle_expires_at', 'provider', 'sid', 'subject']
export const tokensMembers = ['access_token', 'expires_in', 'refresh_in', 'session', 'token_type']

/** Decodes header and claims of a JWT without verification. */
export function partsOf (token: string | undefined): { header: Record<string, unknown>, claims: Record<string, unknown> } {
  const [header = '', claims = ''] = (token ?? '').replace(/^Bearer /, '').split('.')
  return { header: decode(header), claims: decode(claims) }
}

export function claimsOf (token: string | undefined): Record<string, unknown> {
  return partsOf(token).claims
}

function decode (part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString() || '{}') as Record<string, unknown>
}

/** Returns the attributes of a Set-Cookie line, lower case and sorted, without name and value. */
export function attributesOf (line: string | undefined): string[] {
  return (line ?? '').split(';').slice(1).map(attribute => attribute.trim().toLowerCase()).sort()
}

export const sessionAttributes = ['httponly', 'path=/', 'samesite=lax', 'secure']
export const refreshAttributes = ['httponly', 'path=/auth', 'samesite=strict', 'secure']

/** Returns whether a Set-Cookie line deletes a cookie that was set with these attributes. */
export function isDeletion (line: string | undefined, name: string, attributes: string[]): boolean {
  const expected = [...attributes, 'max-age=0', 'expires=thu, 01 jan 1970 00:00:00 gmt'].sort()
  return line?.startsWith(`${name}=;`) === true && attributesOf(line).join() === expected.join()
}
