import type { Config } from '../config/config.ts'
import { providerAddresses } from '../config/identity.ts'
import { oidcProvider } from '../lib/settings/oidc.ts'
import { optionsFrom } from '../lib/settings/options.ts'
import { examineProvider } from '../plugins/oidc/examine.ts'

/** Asks every identity provider of a configuration whether users could sign in. Resolves to the lines about faults, and to the others. */
export async function askProviders (config: Config): Promise<{ faults: string[], remarks: string[] }> {
  if (config.providers.length === 0) return { faults: [], remarks: ['no identity provider to ask'] }
  const answers = await Promise.all(config.providers.map(async provider => {
    const { redirectUri, postLogoutUri } = providerAddresses(provider.name, config)
    const findings = await examineProvider({ provider: optionsFrom(oidcProvider, provider), redirectUri, postLogoutUri })
    const lineOf = (setting: string, text: string): string => `${provider.setting}.${setting}: ${text}`
    const faults = findings.filter(({ isFault }) => isFault).map(({ setting, text }) => lineOf(setting, text))
    const warnings = findings.filter(({ isFault }) => !isFault).map(({ setting, text }) => `warning: ${lineOf(setting, text)}`)
    return { faults, remarks: [...warnings, ...faults.length === 0 ? [`${provider.name} answers, and knows the client`] : []] }
  }))
  return { faults: answers.flatMap(({ faults }) => faults), remarks: answers.flatMap(({ remarks }) => remarks) }
}
