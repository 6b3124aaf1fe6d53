import fc, { type Arbitrary } from 'fast-check'
import { bytesOf } from './wire.ts'

/** Texts that parsers have stumbled over; no line breaks, which would end a header. */
const oddities = [
  '', ' ', '  ', '\t', '\0', '\x01', '\x0b', '\x0c', '\x7f', '\x80', '\xa0', '\xff', ';', ',', '"', "'", '=', '==', '.', '..', '...', ':', '%', '%00', '%2e', '%0d%0a', '%20', '+', '/', '\\', '_', '-', '~', '*', '?', '#', '&', '$Version=1',
  'null', 'undefined', '__proto__', '[]', '{}', bytesOf('é'), bytesOf('😀'), bytesOf('\ufeff'), bytesOf('\u2028'), bytesOf('Ａ'), bytesOf('\u202e'), '\xc0\xae', '\xed\xa0\x80'
] as const

export const oddity: Arbitrary<string> = fc.constantFrom(...oddities)

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

type Edit = (text: string) => string

const position = fc.nat(0xffff)
const within = (text: string, at: number): number => text.length === 0 ? 0 : at % text.length

/** Another character of the same alphabet somewhere: what still has the right form. */
export const replacement: Arbitrary<Edit> = fc.tuple(position, fc.constantFrom(...alphabet)).map(([at, character]): Edit => text => splice(text, within(text, at), 1, character))

const edit: Arbitrary<Edit> = fc.oneof(
  fc.tuple(position, fc.nat(7)).map(([at, bit]): Edit => text => splice(text, within(text, at), 1, flipped(text, within(text, at), bit))),
  replacement,
  fc.tuple(position, oddity).map(([at, odd]): Edit => text => splice(text, within(text, at), 0, odd)),
  fc.tuple(position, fc.integer({ min: 1, max: 8 })).map(([at, count]): Edit => text => splice(text, within(text, at), count, '')),
  position.map((at): Edit => text => text.slice(0, within(text, at))),
  position.map((at): Edit => text => text.slice(within(text, at))),
  fc.tuple(position, position).map(([a, b]): Edit => text => swapped(text, within(text, a), within(text, b))),
  oddity.map((odd): Edit => text => text + odd),
  oddity.map((odd): Edit => text => odd + text),
  fc.constant<Edit>(text => text + text),
  fc.constant<Edit>(text => text.toUpperCase()),
  fc.constant<Edit>(text => text.toLowerCase())
)

/** One to three changes of a text, one character a byte. None of them breaks a line. */
export const mutation: Arbitrary<Edit> = fc.array(edit, { minLength: 1, maxLength: 3 }).map(edits => text => withoutLines(edits.reduce((changed, change) => change(changed), text)))

/** Nothing, but once in so many times. */
export function rarely<Value> (often: number, arbitrary: Arbitrary<Value>): Arbitrary<Value | null> {
  return fc.oneof({ weight: often - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })
}

/** Much of little: a text of up to so many characters. */
export function long (max: number): Arbitrary<string> {
  return fc.tuple(fc.constantFrom('a', '.', 'a.', '..', '%2e', '=', ';', ' ', '/', 'a=b; ', '\xff', '{', '['), fc.oneof({ weight: 9, arbitrary: fc.nat(2000) }, fc.nat(max)))
    .map(([unit, length]) => unit.repeat(Math.ceil(length / unit.length)).slice(0, length))
}

export function withoutLines (text: string): string {
  // Some capital letters are no single byte any more.
  return Buffer.from(text, 'latin1').toString('latin1').replace(/[\r\n]/g, '')
}

function splice (text: string, at: number, count: number, insert: string): string {
  return text.slice(0, at) + insert + text.slice(at + count)
}

function flipped (text: string, at: number, bit: number): string {
  return text === '' ? '' : String.fromCharCode(text.charCodeAt(at) ^ (1 << bit))
}

function swapped (text: string, a: number, b: number): string {
  const characters = [...text]
  const [first = '', second = ''] = [characters[a], characters[b]]
  if (characters.length > 0) [characters[a], characters[b]] = [second, first]
  return characters.join('')
}
