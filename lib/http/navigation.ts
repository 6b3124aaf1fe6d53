import type { IncomingHttpHeaders } from 'node:http'

/** Whether a browser asks for a page to show as a whole: somebody followed a link or typed the address. Frames and scripts do not. */
export function isNavigation (method: string | undefined, headers: IncomingHttpHeaders): boolean {
  // Every browser that sends the one sends the other, which some proxies leave out.
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': dest = 'document' } = headers
  return method === 'GET' && mode === 'navigate' && dest === 'document'
}
