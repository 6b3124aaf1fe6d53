import { foldAccount } from '../lib/account.ts'
import { commonPasswords } from './common-passwords.ts'
import { commonWords, smallWords } from './common-words.ts'
import { isKnownNumber } from './known-numbers.ts'

/* A guess consists of parts: one or two common passwords or words, names of the user, sequences, and digits, signs and small words
 * between and around them. A password that consists only of parts is refused in every spelling: case, accents, separators between
 * letters, signs for letters, doubled letters, backwards, and repeated. Guesses do not begin with three common words, so passphrases are
 * not affected. */

/** The most digits and kinds of signs beside the letters; a password with more of them is strong by itself, unless they are weak. */
const mostBeside = 10
/** A repeated part must itself be long enough for a password. */
const leastUnit = 8
/** A password has at least this many sequences and single characters, however long the sequences are. */
const fewestPieces = 4
const leastSequence = 3
/** The number of digits that makes a number in a name count, such as an employee's number. */
const leastNumber = 6
const mostParts = 6

/** Letters, and the signs that are written for them. A sign may stand for several letters, so these letters count as one. */
const signs = ['a4@', 'b68gq9', 'c(¢', 'e3€£', 'h#', 'il1!|t7+', 'o0', 's5$§', 'z2']
const shapes = new Map(signs.flatMap(group => [...group].map(sign => [sign, group[0]!] as const)))

/** Rows and columns of keyboards: Latin, Russian, Ukrainian, Greek, Hebrew, Arabic, Persian and Korean. */
const rows = [
  '1234567890', '!@#$%^&*()', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm', 'qwertzuiop', 'yxcvbnm', 'azertyuiop', 'qsdfghjklm', 'wxcvbn', '&é"\'(-è_çà)', '1qaz', '2wsx', '3edc', '4rfv', '5tgb', '6yhn', '7ujm',
  'йцукенгшщзхъ', 'йцукенгшщзхї', 'фывапролджэ', 'фівапролджє', 'ячсмитьбю', '1йфя', '2цыч', '3увс', '4кам', '5епи', '6нрт', '7гоь',
  'ςερτυθιοπ', 'ασδφγηξκλ', 'ζχψωβνμ', 'קראטוןםפ', 'שדגכעיחלךף', 'זסבהנמצתץ', 'ضصثقفغعهخحجد', 'شسيبلاتنمكط', 'ضصثقفغعهخحجچ', 'شسیبلاتنمکگ', 'ظطزرذدئو', 'ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ', 'ㅁㄴㅇㄹㅎㅗㅓㅏㅣ', 'ㅋㅌㅊㅍㅠㅜㅡ'
].map(foldAccount)
const neighbours = new Set(rows.flatMap(row => [...row].slice(1).map((key, index) => [...row][index]! + key)))

/** Cyrillic, Greek and Armenian letters, and the Latin letters that look like them. */
const lookalikes = ['aаα', 'bвьβ', 'cсϲ', 'dԁ', 'eеεє', 'fғ', 'hнһ', 'iіιї', 'jј', 'kкκ', 'mм', 'nпηո', 'oоοσօ', 'pрρ', 'qԛ', 'rгя', 'sѕ', 'tтτ', 'uυцս', 'vνѵ', 'wшωԝ', 'xхχ', 'yуγү', 'zʒ']
const latin = new Map(lookalikes.flatMap(group => [...group].slice(1).map(letter => [letter, group[0]!] as const)))
const foreignLookalike = new RegExp(`[${[...latin.keys()].join('')}]`, 'gu')

/** The ways in which a character may follow another in a sequence. */
const steps: Array<(one: string, next: string) => boolean> = [
  (one, next) => one === next,
  (one, next) => next.codePointAt(0)! - one.codePointAt(0)! === 1,
  (one, next) => next.codePointAt(0)! - one.codePointAt(0)! === -1,
  (one, next) => neighbours.has(one + next),
  (one, next) => neighbours.has(next + one)
]

/** The common passwords and words. A text is compared in the form of `foldAccount`. */
const commons: ReadonlySet<string> = new Set([...commonPasswords, ...commonWords])

interface Character { raw: string, shape: string, isLetter: boolean }

/** Characters are compared unchanged, and with doubled characters reduced to one. */
const forms = [(text: Character[]) => text, withoutDoubled]

/** Returns whether a password is among the first guesses for a user with these names. */
export function isGuessedFirst (password: string, names: readonly string[]): boolean {
  const text = foldAccount(password)
  const inLatin = text.replaceAll(foreignLookalike, letter => latin.get(letter)!)
  return isGuess(text, names) || (inLatin !== text && isGuess(inLatin, names))
}

function isGuess (text: string, names: readonly string[]): boolean {
  if (isWeak(text) || isWeakBetweenSigns(text) || isNumberOf(text, names)) return true
  if (hasMuchBeside(text)) return false
  const words = ['portcullis', ...names].flatMap(wordsOf)
  return readingsOf(text).some(reading => isMadeOf(reading, words))
}

/** Returns whether the text is a common password, a date or a well-known number, has very few sequences, or repeats one of these or a short text. */
function isWeak (text: string): boolean {
  const characters = [...text]
  if (commons.has(text) || isKnownNumber(text) || countPieces(characters) < fewestPieces || countPieces([...text.replaceAll(/(.)\1/gu, '$1')]) < fewestPieces) return true
  const unit = unitOf(characters)
  return unit !== null && (unit.length < leastUnit || isWeak(unit.join('')))
}

function isWeakBetweenSigns (text: string): boolean {
  const others = lettersAndDigits(text)
  const signs = text.replaceAll(/[\p{L}\p{M}\p{N}]+/gu, '')
  return others !== '' && (new Set(signs).size <= 2 || isWeak(signs)) && isWeak(others)
}

/** Returns whether the text is a number in a name with little or nothing added. */
function isNumberOf (text: string, names: readonly string[]): boolean {
  const others = lettersAndDigits(text)
  const numbers = names.flatMap(name => lettersAndDigits(foldAccount(name)).match(/\d+/g) ?? []).filter(number => number.length >= leastNumber)
  return numbers.some(number => others.includes(number) && others.replaceAll(number, '').length < fewestPieces)
}

function hasMuchBeside (text: string): boolean {
  const beside = text.replaceAll(/[\p{L}\p{M}]+/gu, '')
  const count = beside.replaceAll(/[^\d]+/g, '').length + new Set(beside.replaceAll(/\d+/g, '')).size
  return count > mostBeside && !isWeak(beside)
}

/** Returns the texts that a password may stand for without the signs between letters, forwards and backwards. */
function readingsOf (text: string): string[] {
  const kinds = new Set(text.replaceAll(/[\p{L}\p{M}]+/gu, ''))
  const forwards = [text, lettersAndDigits(text), letters(text), ...[...kinds].map(sign => text.replaceAll(sign, ''))]
  return [...new Set(forwards.flatMap(reading => [reading, [...reading].toReversed().join('')]))].filter(reading => letters(reading) !== '')
}

/** Returns the words of a name: all of it, its parts, and an initial with a part. */
function wordsOf (name: string): string[] {
  const folded = foldAccount(name.replaceAll(/(\p{Ll})(?=\p{Lu})/gu, '$1 '))
  const parts = folded.split(/[^\p{L}\p{M}]+/u).filter(part => part !== '').slice(0, mostParts)
  const withInitials = parts.flatMap(part => parts.filter(other => other !== part).flatMap(([initial = '']) => [initial + part, part + initial]))
  return [letters(folded), lettersAndDigits(folded), ...parts, ...withInitials].filter(word => [...letters(word)].length > 1)
}

/**
 * Returns whether the reading consists only of the words, one common password, sequences, digits and signs, and contains a word or
 * the common password.
 */
function isMadeOf (reading: string, words: readonly string[]): boolean {
  return forms.some((form, index) => {
    const text = form(charactersOf(reading))
    const known = [...new Set(words.map(word => shapeOf(form(charactersOf(word)))))]
    const reached = reach(text, known)
    return isReached(reached) || isMadeOfTwo(text, { words: known, common: commonShapes()[index]! }) || commonAt(text, reached, commonShapes()[index]!).some(common => isReached(reach(text, [...known, common])))
  })
}

/**
 * The ways in which the text before a position consists of parts, as a set of bits. The lowest six are for texts without small words: two
 * for each number of common passwords, the higher one with words. The next six are for texts with one small word, and so on, up to three.
 */
const start = 0b01
const withWords = 0b101010_101010_101010_101010
const withRoom = 0b001111_001111_001111_001111
const overWord = (ways: number): number => ((ways << 1) & withWords) | (ways & withWords)
const overCommon = (ways: number): number => overWord(ways & withRoom) << 2
const overSmall = (ways: number): number => (ways << 6) & 0xffffff

/**
 * Returns whether the text consists of at most two common passwords, the words, three small words between them, sequences, digits and signs, and
 * not of the latter three alone.
 */
function isMadeOfTwo (text: Character[], { words, common }: { words: readonly string[], common: ReadonlySet<string> }): boolean {
  const shape = shapeOf(text)
  const raw = text.map(({ raw }) => raw.length > 1 ? '\uFFFD' : raw)
  const plain = raw.join('')
  const ways = new Uint32Array(text.length + 1)
  ways[0] = start
  for (const [place, { isLetter }] of text.entries()) {
    const here = ways[place]!
    if (here === 0) continue
    const go = (length: number, to: number): void => { ways[place + length]! |= to }
    if (!isLetter) go(1, here)
    for (let length = leastSequence, longest = sequenceAt(raw, place); length <= longest; length++) go(length, here)
    for (const word of smallWords) if (plain.startsWith(word, place)) go(word.length, overSmall(here))
    for (const word of words) if (shape.startsWith(word, place)) go(word.length, overWord(here))
    for (let length = leastCommon, longest = Math.min(longestCommon, shape.length - place); length <= longest; length++) {
      if (common.has(shape.slice(place, place + length))) go(length, overCommon(here))
    }
  }
  return (ways.at(-1)! & withWords) !== 0
}

interface Reached { bare: boolean, withWord: boolean }

/**
 * Returns for each position whether the text before it consists of the words, sequences, digits and signs, and whether it contains
 * words.
 */
function reach (text: Character[], words: readonly string[]): Reached[] {
  const reached = Array.from({ length: text.length + 1 }, (_, place) => ({ bare: place === 0, withWord: false }))
  const shape = shapeOf(text)
  const go = (from: Reached, to: number, isWord: boolean): void => {
    reached[to]!.withWord ||= isWord || from.withWord
    reached[to]!.bare ||= from.bare && !isWord
  }
  for (const [place, { isLetter }] of text.entries()) {
    const from = reached[place]!
    if (!from.bare && !from.withWord) continue
    if (!isLetter) go(from, place + 1, false)
    for (let length = leastSequence, longest = sequenceAt(text.map(({ raw }) => raw), place); length <= longest; length++) go(from, place + length, false)
    for (const word of words) if (shape.startsWith(word, place)) go(from, place + word.length, true)
  }
  return reached
}

function isReached (reached: Reached[]): boolean {
  return reached.at(-1)!.withWord
}

/** Returns the common passwords that begin at a reached position. */
function commonAt (text: Character[], reached: Reached[], common: ReadonlySet<string>): string[] {
  const shape = shapeOf(text)
  const found = new Set<string>()
  for (const [place, { bare, withWord }] of reached.entries()) {
    if (!bare && !withWord) continue
    for (let length = leastCommon; length <= longestCommon; length++) {
      const part = shape.slice(place, place + length)
      if (part.length === length && common.has(part)) found.add(part)
    }
  }
  return [...found]
}

const leastCommon = 2
const longestCommon = Math.max(...[...commons].map(password => [...password].length))
let shapesOfCommon: Array<Set<string>> | null = null

/** Returns the common passwords in each of the forms. */
function commonShapes (): Array<Set<string>> {
  const withLetters = () => [...commons].filter(password => letters(password) !== '').map(charactersOf)
  // A word of two characters is one of Chinese.
  shapesOfCommon ??= forms.map(form => new Set(withLetters().map(password => shapeOf(form(password))).filter(shape => shape.length >= leastSequence || /^\p{Script=Han}{2}$/u.test(shape))))
  return shapesOfCommon
}

/** Splits a text into characters. A character outside the basic plane is one unit, and equals no other. */
function charactersOf (text: string): Character[] {
  return [...text].map(raw => ({ raw, shape: raw.length > 1 ? '\uFFFD' : shapes.get(raw) ?? raw, isLetter: /[\p{L}\p{M}]/u.test(raw) }))
}

function shapeOf (text: Character[]): string {
  return text.map(({ shape }) => shape).join('')
}

function withoutDoubled (text: Character[]): Character[] {
  const kept: Character[] = []
  for (const character of text) {
    const last = kept.at(-1)
    if (last?.shape === character.shape) kept[kept.length - 1] = { ...last, isLetter: last.isLetter || character.isLetter }
    else kept.push(character)
  }
  return kept
}

/** Returns the shortest text that the characters repeat, the last time perhaps in part; null when there is none. */
function unitOf (characters: string[]): string[] | null {
  for (let period = 1; period <= characters.length / 2; period++) {
    if (characters.every((character, index) => index < period || character === characters[index - period])) return characters.slice(0, period)
  }
  return null
}

function countPieces (characters: string[]): number {
  let pieces = 0
  for (let place = 0; place < characters.length; pieces++) {
    const length = sequenceAt(characters, place)
    place += length < leastSequence ? 1 : length
  }
  return pieces
}

/** Returns the length of the longest sequence that begins at a position, such as abcd, 4321, aaaa or qwer. */
function sequenceAt (characters: string[], place: number): number {
  return Math.max(...steps.map(isStep => {
    let end = place + 1
    while (end < characters.length && isStep(characters[end - 1]!, characters[end]!)) end++
    return end - place
  }))
}

function letters (text: string): string {
  return text.replaceAll(/[^\p{L}\p{M}]+/gu, '')
}

function lettersAndDigits (text: string): string {
  return text.replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, '')
}
