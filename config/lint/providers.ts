import type { Config, ProviderConfig } from '../config.ts'
import { warn } from './warnings.ts'

/** Warns about identity providers: how they are reached, whom they admit, and how browsers come to them. */
export function lintProviders (config: Config): string[] {
  return [...lintBrowsers(config), ...config.providers.flatMap(provider => lintProvider(provider, config))]
}

function lintBrowsers ({ identity, providers, pages }: Config): string[] {
  return warn([identity === null && !pages, `pages: is false, so browsers without a session get 401 and are not led to a provider; write pages: true, unless your pages lead to /auth/login/${providers[0]?.name ?? ''}`])
}

function lintProvider ({ setting, issuer, allow, grant }: ProviderConfig, { secure }: Config): string[] {
  const unverified = [allow?.claim === 'email' ? 'allow' : null, grant.some(({ claim }) => claim === 'email') ? 'grant' : null].find(rule => rule !== null)
  return warn(
    [secure && issuer.startsWith('http:'), `${setting}.issuer: is http on this machine, while origin is for every browser; write the https address of the provider`],
    [unverified !== undefined, `${setting}.${unverified}: goes by email, which a provider may state without having verified it; go by email_domain, or by a claim that users cannot set themselves`]
  )
}
