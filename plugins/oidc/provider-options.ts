import { oidcProvider } from '../../lib/settings/oidc.ts'
import { optionsOf, type DecodedOptions, type OptionsFrom } from '../../lib/settings/options.ts'

/* The options of one provider, apart from its client: their declarations need no openid-client. */

export interface ProviderOptions extends OptionsFrom<typeof oidcProvider> {}

/** Schema of the options of one provider. */
export const providerOptions = optionsOf(oidcProvider)

export type CheckedProvider = DecodedOptions<typeof providerOptions>
