import type { IncomingHttpHeaders } from 'node:http'

/** Whether a browser asks for a page to show as a whole: somebody followed a link or typed the address. Frames and scripts do not. */
export function isNavigation (method: string | undefined, headers: IncomingHttpHeaders): boolean {
  return method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}
