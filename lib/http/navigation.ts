import type { IncomingHttpHeaders } from 'node:http'

/**
 * Returns whether a browser requests a page to show as a whole, because the user followed a link or typed the address. Requests from frames
 * and scripts are not navigations.
 */
export function isNavigation (method: string | undefined, headers: IncomingHttpHeaders): boolean {
  // Some proxies remove Sec-Fetch-Dest. Every browser that sends Sec-Fetch-Mode also sends it.
  return method === 'GET' && isShown(headers) && (headers['sec-fetch-dest'] ?? 'document') === 'document'
}

/** Returns whether a browser shows the response as a page, alone or in a frame, whatever the method. */
export function isShown ({ 'sec-fetch-mode': mode }: IncomingHttpHeaders): boolean {
  return mode === 'navigate'
}
