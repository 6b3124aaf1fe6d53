/* Names that a provider gives: of users, of sessions and of tokens. */

/** Maximum length of `sid`, `jti` and a method of authentication. A longer one could be kept, but not be logged out. */
const longestName = 1024
/** Maximum length of `sub`, so that the subject here, with the name of the provider, can be revoked. */
const longestSub = 959
const controlCharacters = /[\x00-\x1f\x7f-\x9f]/ // eslint-disable-line no-control-regex

/** Returns whether a value is a text that names one thing in every store and in every log. */
export function isName (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longestName && isPlain(value)
}

/** Returns whether a value can be the `sub` of a user. */
export function isSub (value: unknown): value is string {
  return isName(value) && value.length <= longestSub
}

/** Returns whether a text has neither control characters nor lone surrogates. */
export function isPlain (text: string): boolean {
  return text.isWellFormed() && !controlCharacters.test(text)
}
