import type { ProviderOptions } from './provider-options.ts'

/** Something about a provider that keeps users from signing in, or with `isFault: false` something that an operator should know. */
export interface Finding {
  isFault: boolean
  /** Setting of the provider. */
  setting: keyof ProviderOptions
  /** The problem and its remedy. */
  text: string
}

export function fault (setting: keyof ProviderOptions, text: string): Finding {
  return { isFault: true, setting, text }
}

export function note (setting: keyof ProviderOptions, text: string): Finding {
  return { isFault: false, setting, text }
}
