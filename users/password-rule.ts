import { ConfigInvalidError } from '../lib/errors.ts'
import { maxPasswordBytes } from './password.ts'
import { commonPasswords } from './common-passwords.ts'

const leastCharacters = 8
/** NIST SP 800-63B-4 asks for this many where the password is the only factor. */
const recommendedCharacters = 15

/**
 * The rule for a new password, after NIST SP 800-63B-4: a least length in Unicode code points, and none of those that are tried
 * first. Which characters it is made of is left to the user. Throws ConfigInvalidError that says the rule, never the password;
 * returns a warning, or null.
 */
export function checkNewPassword (password: string, names: readonly string[]): string | null {
  if (password === '' || Buffer.byteLength(password) > maxPasswordBytes) throw refusal(`must be 1 to ${maxPasswordBytes} bytes`)
  if (password.includes('\uFFFD')) throw refusal('is not UTF-8; check the encoding of the terminal')
  const characters = [...password.normalize('NFC')].length
  if (characters < leastCharacters) throw refusal(`must have at least ${leastCharacters} characters, of any kind, spaces too`)
  if (isGuessedFirst(password, names)) throw refusal('is one of the first that are tried: a common password, a sequence, or the name of the user or of this program with little added; choose another')
  return characters < recommendedCharacters ? `password: has fewer than ${recommendedCharacters} characters, which are recommended while the password is the only factor; choose a longer one, such as four words` : null
}

function isGuessedFirst (password: string, names: readonly string[]): boolean {
  const text = fold(password)
  if (commonPasswords.has(text) || isSequence(text)) return true
  const known = [...names, 'portcullis'].map(name => strip(fold(name))).filter(name => name !== '')
  return [strip(text), strip(withoutLeet(text))].some(core => commonPasswords.has(core) || known.some(name => isRepeated(core, name)))
}

/** One for all spellings that a guess would try together. */
function fold (text: string): string {
  return text.normalize('NFKC').replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '').toLowerCase()
}

/** Without the digits and signs around it. */
function strip (text: string): string {
  return text.replaceAll(/^[^\p{L}\p{M}]+|[^\p{L}\p{M}]+$/gu, '')
}

const leet: Record<string, string> = { '@': 'a', 4: 'a', 3: 'e', 1: 'i', '!': 'i', 0: 'o', $: 's', 5: 's', 7: 't' }

function withoutLeet (text: string): string {
  return text.replaceAll(/[@431!0$57](?=.*\p{L})/gu, sign => leet[sign]!)
}

/** Such as 12345678, hgfedcba or aaaaaaaa. */
function isSequence (text: string): boolean {
  const points = [...text].map(character => character.codePointAt(0)!)
  const step = (points[1] ?? 0) - (points[0] ?? 0)
  return Math.abs(step) <= 1 && points.every((point, index) => index === 0 || point - points[index - 1]! === step)
}

function isRepeated (text: string, name: string): boolean {
  return text !== '' && text.replaceAll(name, '').replaceAll(/[^\p{L}\p{M}]/gu, '') === ''
}

function refusal (text: string): Error {
  return new ConfigInvalidError(`password: ${text}${text.includes(';') ? '' : '; give it on standard input'}`)
}
