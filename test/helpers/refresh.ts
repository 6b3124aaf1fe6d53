import { post, setCookies } from './build-gateway.ts'
import type { SignInAnswer } from './credentials.ts'

export const refreshName = '__Secure-portcullis-refresh'

export interface Refreshed {
  status: number
  /** The Cookie header to send next; null when the answer sets none. */
  cookie: string | null
  token: string
  answer: SignInAnswer
  /** All cookies that the answer sets. */
  setCookies: Record<string, string>
}

export async function refresh (url: string, cookie: string, body?: object): Promise<Refreshed> {
  const response = await post(`${url}/auth/refresh`, body, { cookie })
  const answer = await response.json() as SignInAnswer
  const set = setCookies(response)
  const value = set[refreshName]
  return { status: response.status, cookie: value === undefined ? null : `${refreshName}=${value}`, token: answer.access_token ?? '', answer, setCookies: set }
}

/** Refreshes as an honest client does: the refresh has to succeed, and to set the next cookie. */
export async function advanceFamily (url: string, cookie: string): Promise<Refreshed & { cookie: string }> {
  const refreshed = await refresh(url, cookie)
  if (refreshed.status !== 200 || refreshed.cookie === null) throw new Error(`refresh: ${refreshed.status}`)
  return { ...refreshed, cookie: refreshed.cookie }
}
