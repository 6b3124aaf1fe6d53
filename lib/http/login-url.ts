import { signInAddress, type StepUpQuery } from './return-to.ts'

/* Addresses at which a browser signs in with an identity provider, and the member `login_url` of problems. */

/** Prefix of the routes by which subjects sign in. Providers know the address of the callback under it, so it is fixed. */
const prefix = '/auth'

/** Returns the address at which a browser signs in with a provider, or authenticates again, and from which it returns to `path`. */
export function loginAddress (provider: string, path: string | null, stepUp: StepUpQuery = {}): string {
  return signInAddress(`${prefix}/login/${encodeURIComponent(provider)}`, path, stepUp)
}

/** Adds the member `login_url` to the response of an error; null adds none. */
export function withLoginUrl<Raised extends Error> (error: Raised, url: string | null): Raised {
  return url === null ? error : Object.assign(error, { members: { login_url: url } })
}

/** Returns the step-up that the `login_url` of an error names; an empty one without it. */
export function stepUpOf (error: unknown): Omit<StepUpQuery, 'isStepUp'> {
  const { members } = error as { members?: { login_url?: unknown } }
  return typeof members?.login_url === 'string' ? readStepUp(Object.fromEntries(new URLSearchParams(members.login_url.split('?')[1]))) : {}
}

/** Returns the demands of a step-up in the query of an address. Values that no demand of a route can have are left out. */
export function readStepUp ({ max_age: maxAge, acr_values: acrValues }: { max_age?: unknown, acr_values?: unknown }): Omit<StepUpQuery, 'isStepUp'> {
  return {
    ...typeof maxAge === 'string' && /^\d{1,9}$/.test(maxAge) ? { maxAgeSeconds: Number(maxAge) } : {},
    ...typeof acrValues === 'string' && /^[!#-[\]-~]+(?: [!#-[\]-~]+)*$/.test(acrValues) && acrValues.length <= 1000 ? { acrValues: acrValues.split(' ') } : {}
  }
}
