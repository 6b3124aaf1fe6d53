import { learnCookie } from './secrets.ts'
import { send } from './send.ts'

/** POST of a form as browsers send it; redirects are not followed. */
export async function submit (url: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url, { method: 'POST', redirect: 'manual', headers, body: new URLSearchParams(fields) })
}

/** GET of a page; redirects are not followed. Not by fetch, which says itself in Sec-Fetch-Mode that it is one. */
export async function open (url: string, headers: Record<string, string> = {}): Promise<Response> {
  const { status, headers: { 'set-cookie': cookies = [], ...received }, text } = await send('GET', url, { headers: Object.entries(headers).flat() })
  const lines = Object.entries(received).map(([name, value]) => [name, String(value)] as [string, string])
  return new Response(text, { status, headers: [...lines, ...cookies.map(line => ['set-cookie', line] as [string, string])] })
}

/** What browsers send with it when somebody follows a link within the site. */
export const navigation = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', 'sec-fetch-site': 'same-origin' }

/** The Cookie header after an answer that sets one cookie of a name. */
export function cookieFrom (response: Response, name = '__Host-Http-portcullis'): string {
  const line = response.headers.getSetCookie().find(line => line.startsWith(`${name}=`)) ?? ''
  learnCookie(line)
  return line.split(';')[0] ?? ''
}

/** The value of the input of a name, as it stands in the page; null where there is none. */
export function inputOf (html: string, name: string): string | null {
  const [input = ''] = new RegExp(`<input[^>]* name="${name}"[^>]*>`).exec(html) ?? []
  return input === '' ? null : / value="([^"]*)"/.exec(input)?.[1] ?? ''
}

export function titleOf (html: string): string {
  return /<title>([^<]*)<\/title>/.exec(html)?.[1] ?? ''
}
