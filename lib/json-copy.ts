import type { DeepReadonly } from './own-data.ts'
import { isPlain } from './settings/decode.ts'

/* Copies of JSON objects: those that an application passes in are checked, and those that it receives are frozen. */

/** Maximum nesting depth, including the outermost object. */
const maxLevels = 16

/**
 * Returns a copy of an object that consists of JSON values and has at most `maxBytes` bytes as JSON text. Throws TypeError that names the
 * fault and the position of the member, but no value and no name, because names may come from users. Each member is read once, and neither a
 * getter nor `toJSON` is called.
 */
export function copyJson (name: string, given: unknown, maxBytes: number): Record<string, unknown> {
  if (!isPlain(given)) throw new TypeError(`${name} must be a plain object, and no promise of one`)
  const copy = new Copier(name, maxBytes).copy(given)
  const bytes = Buffer.byteLength(JSON.stringify(copy))
  if (bytes > maxBytes) throw tooLarge(name, maxBytes)
  return copy as Record<string, unknown>
}

/** Returns a copy of a JSON value that cannot be changed. */
export function frozenCopy<Value> (value: Value): DeepReadonly<Value> {
  if (typeof value !== 'object' || value === null) return value as DeepReadonly<Value>
  const copy = Array.isArray(value) ? value.map(frozenCopy) : Object.fromEntries(Object.entries(value).map(([name, member]) => [name, frozenCopy(member)]))
  return Object.freeze(copy) as DeepReadonly<Value>
}

/** Copies one object. */
class Copier {
  readonly #name: string
  readonly #maxBytes: number
  /** The outermost object, or its member that is copied now. */
  #place: string
  /** Number of further values that may fit, because each has at least one byte. It bounds the work. */
  #left: number
  /** The objects and lists around the value that is copied now. */
  readonly #around = new Set<object>()

  constructor (name: string, maxBytes: number) {
    this.#name = name
    this.#maxBytes = maxBytes
    this.#place = name
    this.#left = maxBytes
  }

  copy (value: unknown): unknown {
    if (--this.#left < 0) throw tooLarge(this.#name, this.#maxBytes)
    switch (typeof value) {
      case 'string': return this.#text(value)
      case 'boolean': return value
      case 'number':
        if (!Number.isFinite(value)) throw this.#fault('a number that is not finite')
        // JSON does not distinguish -0 from 0.
        return value + 0
      case 'object': return value === null ? null : this.#within(value)
      case 'undefined': throw this.#fault('undefined', '; omit the member')
      case 'bigint':
      case 'function':
      case 'symbol': throw this.#fault(`a ${typeof value}`)
    }
  }

  #text (text: string): string {
    if (text.length > this.#maxBytes) throw tooLarge(this.#name, this.#maxBytes)
    if (!text.isWellFormed()) throw this.#fault('a lone surrogate')
    return text
  }

  #within (value: object): unknown {
    if (this.#around.has(value)) throw this.#fault('an object that contains itself')
    if (this.#around.size === maxLevels) throw new TypeError(`${this.#place} is too deep: ${this.#name} may have at most ${maxLevels} levels of objects and lists`)
    this.#around.add(value)
    const copy = Array.isArray(value) ? this.#list(value) : this.#object(value)
    this.#around.delete(value)
    return copy
  }

  #list (list: unknown[]): unknown[] {
    const { length } = list
    if (length > this.#left) throw tooLarge(this.#name, this.#maxBytes)
    if (Reflect.ownKeys(list).length !== length + 1) throw this.#fault('a list with gaps, or with members besides its items')
    return Array.from({ length }, (_, index) => this.copy(this.#read(list, String(index))))
  }

  #object (object: object): Record<string, unknown> {
    if (!isPlain(object)) throw this.#fault('an object of a class', '; convert it to a text, a number or a plain object')
    const isOutermost = this.#around.size === 1
    const names = Reflect.ownKeys(object)
    if (names.length > this.#left) throw tooLarge(this.#name, this.#maxBytes)
    return Object.fromEntries(names.map((name, index) => {
      if (isOutermost) this.#place = `member ${index + 1} of ${this.#name}`
      return [this.#memberName(name), this.copy(this.#read(object, name))] as const
    }))
  }

  #memberName (name: string | symbol): string {
    if (typeof name === 'symbol') throw this.#fault('a member that a symbol names')
    if (name === '__proto__') throw new TypeError(`${this.#name} must not have a member __proto__`)
    return this.#text(name)
  }

  #read (from: object, name: string | symbol): unknown {
    const member = Object.getOwnPropertyDescriptor(from, name)
    if (member === undefined || !('value' in member)) throw this.#fault('a getter or a setter', '; assign its value')
    if (member.enumerable !== true) throw this.#fault('a member that is not enumerable')
    return member.value as unknown
  }

  #fault (what: string, remedy = ''): Error {
    return new TypeError(`${this.#place} is or contains ${what}, which JSON cannot represent${remedy}`)
  }
}

function tooLarge (name: string, maxBytes: number): Error {
  return new TypeError(`${name} must have at most ${maxBytes} bytes as JSON`)
}
