import { learnCookie } from './secrets.ts'
import { send } from './send.ts'

/** Sends a form by POST as browsers do; redirects are not followed. */
export async function submit (url: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url, { method: 'POST', redirect: 'manual', headers, body: new URLSearchParams(fields) })
}

/** Requests a page by GET; redirects are not followed. It does not use fetch, which sets Sec-Fetch-Mode itself. */
export async function open (url: string, headers: Record<string, string> = {}): Promise<Response> {
  const { status, headers: { 'set-cookie': cookies = [], ...received }, text } = await send('GET', url, { headers: Object.entries(headers).flat() })
  const lines = Object.entries(received).map(([name, value]) => [name, String(value)] as [string, string])
  return new Response(text, { status, headers: [...lines, ...cookies.map(line => ['set-cookie', line] as [string, string])] })
}

/** The headers that browsers send when a user follows a link within the site. */
export const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'same-origin' }

/** Returns the Cookie header after an answer that sets one cookie of a name. */
export function cookieFrom (response: Response, name = '__Host-Http-portcullis'): string {
  const line = response.headers.getSetCookie().find(line => line.startsWith(`${name}=`)) ?? ''
  learnCookie(line)
  return line.split(';')[0] ?? ''
}

/** Returns the value of the input of a name, as written in the page; null when there is none. */
export function inputOf (html: string, name: string): string | null {
  const [input = ''] = new RegExp(`<input[^>]* name="${name}"[^>]*>`).exec(html) ?? []
  return input === '' ? null : / value="([^"]*)"/.exec(input)?.[1] ?? ''
}

export function titleOf (html: string): string {
  return /<title>([^<]*)<\/title>/.exec(html)?.[1] ?? ''
}
