import { once } from 'node:events'
import { request as http, type IncomingMessage, type RequestOptions } from 'node:http'
import type { Test } from 'tap'
import type { ClientMetadata } from 'oidc-provider'
import { startOpenIdProvider as start, type OpenIdProvider, type OpenIdProviderOptions } from '../../examples/openid-provider.ts'

/* oidc-provider for tests, and a browser without scripts that signs in there. */

export const clientSecret = 'secret-of-the-gateway-at-the-provider'

/** The metadata of a gateway as a client, as its operator registers it. */
export function clientOf (origin: string, { name = 'corp', prefix = '/auth', ...more }: { name?: string, prefix?: string } & Partial<ClientMetadata> = {}): ClientMetadata {
  return {
    client_id: 'portcullis',
    client_secret: clientSecret,
    redirect_uris: [`${origin}${prefix}/callback/${name}`],
    post_logout_redirect_uris: [`${origin}/`, origin, `${origin}${prefix}/sign-in?signed_out`, `${origin}${prefix}/sign-in?signed_out=1`],
    backchannel_logout_uri: `${origin}${prefix}/backchannel-logout/${name}`,
    backchannel_logout_session_required: true,
    ...more
  }
}

export interface TestProvider extends OpenIdProvider {
  /** Requests that reached the provider: method and target. */
  requests: string[]
  /** Makes the provider unreachable until the returned function is called. */
  pause (): Promise<() => Promise<void>>
}

/** Starts oidc-provider; the test ends it. */
export async function startOpenIdProvider (t: Pick<Test, 'teardown'>, options: OpenIdProviderOptions): Promise<TestProvider> {
  const running = await start(options)
  const requests: string[] = []
  running.server.on('request', ({ method, url }: { method: string, url: string }) => { requests.push(`${method} ${url}`) })
  t.teardown(async () => { if (running.server.listening) await running.close() })
  const port = Number(new URL(running.issuer).port)
  return {
    ...running,
    requests,
    async pause () {
      await running.close()
      return async () => await new Promise(resolve => { running.server.listen(port, '127.0.0.1', resolve) })
    }
  }
}

/** Sends a request as written: fetch would state a mode of its own. */
async function send (url: string, options: RequestOptions, body = ''): Promise<Response> {
  const request = http(url, { ...options, agent: false })
  request.end(body)
  const [answer] = await once(request, 'response') as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  const headers = new Headers()
  for (const [name, values] of Object.entries(answer.headersDistinct)) for (const value of values ?? []) headers.append(name, value)
  return new Response([204, 304].includes(answer.statusCode!) ? null : Buffer.concat(chunks), { status: answer.statusCode!, headers })
}

/** A browser without scripts: it keeps the cookies of each origin, and follows redirects. */
export class Browser {
  readonly #jar = new Map<string, Map<string, { path: string, pair: string }>>()
  readonly #headers: Record<string, string>

  /** Addresses that were visited, with their status. */
  readonly visited: Array<{ url: string, status: number }> = []

  /** `headers` are those of each request, besides those of a navigation. */
  constructor (headers: Record<string, string> = {}) {
    this.#headers = headers
  }

  /** The Cookie header for an address. */
  cookies (url: string): string {
    const { origin, pathname } = new URL(url)
    const cookies = [...this.#jar.get(origin)?.values() ?? []].filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
    return cookies.sort((one, other) => other.path.length - one.path.length).map(({ pair }) => pair).join('; ')
  }

  /** Forgets the cookies of an origin whose names contain a text. */
  forget (url: string, name = ''): void {
    const jar = this.#jar.get(new URL(url).origin)
    for (const [key, { pair }] of [...jar ?? []]) if (pair.slice(0, pair.indexOf('=')).includes(name)) jar!.delete(key)
  }

  /** Sends one request as a navigation. */
  async request (url: string, { method = 'GET', form, json, headers = {} }: { method?: string, form?: Record<string, string>, json?: object, headers?: Record<string, string> } = {}): Promise<Response> {
    const cookie = this.cookies(url)
    const body = form === undefined ? json === undefined ? undefined : JSON.stringify(json) : new URLSearchParams(form).toString()
    const response = await send(url, {
      method,
      headers: {
        'sec-fetch-mode': 'navigate',
        'sec-fetch-site': 'none',
        ...this.#headers,
        ...cookie === '' ? {} : { cookie },
        ...body === undefined ? {} : { 'content-type': json === undefined ? 'application/x-www-form-urlencoded' : 'application/json' },
        ...headers
      }
    }, body)
    this.#keep(url, response)
    this.visited.push({ url, status: response.status })
    return response
  }

  /** Follows redirects until an answer is none, or `until` accepts its address; resolves to the last answer and its address. */
  async follow (url: string, { until = () => false }: { until?: (url: string) => boolean } = {}): Promise<{ url: string, response: Response }> {
    for (let hops = 0; hops < 20; hops++) {
      const response = await this.request(url)
      const location = response.headers.get('location')
      if (location === null) return { url, response }
      const next = new URL(location, url).href
      if (until(next)) return { url: next, response }
      url = next
    }
    throw new Error('too many redirects')
  }

  /** Follows a sign-in to the provider's form if it shows one, signs in there, and goes on until `until` or the end. */
  async signIn (url: string, account: string, options: { until?: (url: string) => boolean } = {}): Promise<{ url: string, response: Response, asked: boolean }> {
    const at = await this.follow(url, options)
    if (!new URL(at.url).pathname.startsWith('/interaction/')) return { ...at, asked: false }
    await at.response.arrayBuffer()
    const answer = await this.request(at.url, { method: 'POST', form: { account } })
    const next = new URL(answer.headers.get('location') ?? '', at.url).href
    return options.until?.(next) === true ? { url: next, response: answer, asked: true } : { ...await this.follow(next, options), asked: true }
  }

  #keep (url: string, { headers }: Response): void {
    const { origin, pathname } = new URL(url)
    const jar = this.#jar.get(origin) ?? new Map<string, { path: string, pair: string }>()
    this.#jar.set(origin, jar)
    for (const line of headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';')
      const path = /;\s*path=([^;]+)/i.exec(line)?.[1] ?? pathname.replace(/\/[^/]*$/, '/')
      const key = `${path} ${pair.slice(0, pair.indexOf('='))}`
      const isDeleted = attributes.some(attribute => /^\s*(?:max-age=0|expires=thu, 01 jan 1970)/i.test(attribute))
      if (isDeleted) jar.delete(key)
      else jar.set(key, { path, pair })
    }
  }
}

/** Ends the session of a browser at the provider, which sends its logout tokens to the clients. */
export async function signOutAt (browser: Browser, issuer: string): Promise<void> {
  const shown = await browser.request(`${issuer}/session/end`)
  const html = await shown.text()
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(html)?.[1] ?? ''
  const answer = await browser.request(`${issuer}/session/end/confirm`, { method: 'POST', form: { xsrf, logout: 'yes' } })
  await answer.arrayBuffer()
}
