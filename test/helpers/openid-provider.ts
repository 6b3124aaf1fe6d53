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

/** A browser without scripts: it keeps the cookies of each origin, and follows redirects. */
export class Browser {
  readonly #jar = new Map<string, Map<string, string>>()

  /** Addresses that were visited, with their status. */
  readonly visited: Array<{ url: string, status: number }> = []

  /** The Cookie header for an address. */
  cookies (url: string): string {
    return [...this.#jar.get(new URL(url).origin) ?? []].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** Forgets the cookies of an origin whose names contain a text. */
  forget (url: string, name = ''): void {
    const jar = this.#jar.get(new URL(url).origin)
    for (const known of [...jar?.keys() ?? []]) if (known.includes(name)) jar!.delete(known)
  }

  /** Sends one request as a navigation. */
  async request (url: string, { method = 'GET', form, headers = {} }: { method?: string, form?: Record<string, string>, headers?: Record<string, string> } = {}): Promise<Response> {
    const cookie = this.cookies(url)
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'none', ...cookie === '' ? {} : { cookie }, ...headers },
      ...form === undefined ? {} : { body: new URLSearchParams(form) }
    })
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
    const { origin } = new URL(url)
    const jar = this.#jar.get(origin) ?? new Map<string, string>()
    this.#jar.set(origin, jar)
    for (const line of headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';')
      const at = pair.indexOf('=')
      const isDeleted = attributes.some(attribute => /^\s*(?:max-age=0|expires=thu, 01 jan 1970)/i.test(attribute))
      if (isDeleted) jar.delete(pair.slice(0, at))
      else jar.set(pair.slice(0, at), pair.slice(at + 1))
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
