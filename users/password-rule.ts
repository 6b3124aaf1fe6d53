import { ConfigInvalidError } from '../lib/errors.ts'
import { maxPasswordBytes } from './password.ts'
import { isGuessedFirst } from './guessed-first.ts'

const leastCharacters = 8
/** The minimum length that NIST SP 800-63B-4 requires where the password is the only factor. */
const recommendedCharacters = 15

/**
 * Checks a new password after NIST SP 800-63B-4: a minimum length in Unicode code points, and not among the first guesses. There
 * are no rules of composition. Throws ConfigInvalidError that states the rule, never the password; returns a warning, or null.
 */
export function checkNewPassword (password: string, names: readonly string[]): string | null {
  if (password === '' || Buffer.byteLength(password) > maxPasswordBytes) throw refusal(`must be 1 to ${maxPasswordBytes} bytes`)
  if (password.includes('\uFFFD')) throw refusal('is not UTF-8; check the encoding of the terminal')
  const characters = [...password.normalize('NFC')].length
  if (characters < leastCharacters) throw refusal(`must have at least ${leastCharacters} characters, of any kind, spaces too`)
  if (isGuessedFirst(password, names)) throw refusal('is one of the first that are tried: a common password, sequences or repetitions, or the name of the user or of this program with little added; choose another')
  return characters < recommendedCharacters ? `password: has fewer than ${recommendedCharacters} characters, which are recommended while the password is the only factor; choose a longer one, such as four words` : null
}

function refusal (text: string): Error {
  return new ConfigInvalidError(`password: ${text}${text.includes(';') ? '' : '; give it on standard input'}`)
}
