import fc, { type Arbitrary } from 'fast-check'
import type { People } from './people.ts'

type Headers = Array<readonly [name: string, value: string]>

/** Nothing, or the good credential of somebody. */
export function credentials (people: People): Arbitrary<Headers> {
  return fc.oneof(
    fc.constant<Headers>([]),
    fc.constantFrom(...people.cookies).map(({ cookie }): Headers => [['Cookie', `theme=dark; __Host-Http-portcullis=${cookie}`]]),
    fc.constantFrom(...people.tokens).map(({ token }): Headers => [['Authorization', `Bearer ${token}`]])
  )
}
