import { Type } from '@sinclair/typebox'
import { group, list, text } from './fields.ts'
import { checkOtherOrigin } from './text-checks.ts'

const { Optional } = Type

export const cors = group({
  origins: Optional(list(text(checkOtherOrigin, { description: 'Origin.', expects: 'an origin' }), { description: 'Other origins that may send bearer tokens, never cookies. When set, the gateway handles CORS itself and removes upstream CORS headers.', default: [], uniqueItems: true, expects: 'a list of origins, such as [https://spa.example.com]' }))
}, { description: 'Cross-origin requests.', default: {} })
