import { copyJson } from '../json-copy.ts'
import type { DeepReadonly, SessionData } from '../own-data.ts'
import { isPlain } from '../settings/decode.ts'

/* Data that an application keeps with a session: how it is checked, and its text in the stores. */

/** Maximum size of the data of a session, as JSON text in UTF-8. */
const maxDataBytes = 4096

/** Returns a copy of the data. Throws TypeError that names the fault if it is no JSON object, or too large. */
export function copyData (data: DeepReadonly<SessionData>): SessionData {
  return copyJson('data', data, maxDataBytes) as SessionData
}

/** Data of a record or of an identity. Records of earlier versions in the store of an application have none. */
type Given = DeepReadonly<SessionData> | null | undefined

/** Returns the text that a store keeps; null if there is no data. */
export function encodeData (data: Given): string | null {
  return data === null || data === undefined || Object.keys(data).length === 0 ? null : JSON.stringify(data)
}

/** Returns the data of a text that `encodeData` made. Records of earlier versions have no text. Throws for a damaged text. */
export function decodeData (text: string | null | undefined): SessionData {
  if (text === null || text === undefined) return {}
  const data: unknown = JSON.parse(text)
  if (!isPlain(data)) throw new TypeError('not the data of a session')
  return data as SessionData
}

/** Returns whether two records or identities have the same data. */
export function isSameData (data: Given, other: Given): boolean {
  return encodeData(data) === encodeData(other)
}
