import { loginAddress } from '../../lib/http/login-url.ts'
import { partsAlike, type Portcullis } from '../portcullis.ts'

declare module '../portcullis.ts' {
  interface Portcullis {
    /** Page that offers every way to sign in. */
    signInPage: SignInPage
    /** Addresses at which a browser signs in, for the problems that scripts get. */
    loginUrls: LoginUrls
  }
}

export interface SignInPage {
  readonly path: string
  /** Whether the page takes passwords, in addition to offering the identity providers. */
  readonly hasPasswords: boolean
}

export interface LoginUrls {
  /** Returns the address at which a browser signs in; null without identity providers, because a script then signs in itself. */
  signIn (): string | null
  /** Returns the address at which the user of a session of this provider authenticates again; null if the provider is not configured. */
  stepUp (provider: string, demand?: { maxAgeSeconds?: number | undefined, acrValues?: readonly string[] | undefined }): string | null
}

/** Creates the addresses of a scope. Pages and providers may be registered later. They are looked up for refused requests only. */
export function createLoginUrls (parts: Portcullis): LoginUrls {
  return {
    signIn () {
      const [first, ...others] = providerNames(parts)
      if (first === undefined) return null
      const [page] = partsAlike(parts, 'signInPage')
      return page === undefined || (others.length === 0 && !page.hasPasswords) ? loginAddress(first, null) : page.path
    },
    stepUp: (provider, demand = {}) => providerNames(parts).includes(provider) ? loginAddress(provider, null, { isStepUp: true, ...demand }) : null
  }
}

/** Returns the names of the identity providers of a scope, in the order of the configuration. */
export function providerNames (parts: Portcullis): string[] {
  return partsAlike(parts, 'oidc').flatMap(({ providers }) => [...providers.keys()])
}
