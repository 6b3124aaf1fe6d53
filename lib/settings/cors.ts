import { Type } from '@sinclair/typebox'
import { group, list, text } from './fields.ts'
import { checkOtherOrigin } from './text-checks.ts'

const { Optional } = Type

export const cors = group({
  origins: Optional(list(text(checkOtherOrigin, { description: 'Origin.', expects: 'an origin' }), { description: 'Other origins that may use bearer tokens, never cookies. With any here, the CORS headers of upstreams are dropped.', default: [], uniqueItems: true, expects: 'a list of origins, such as [https://spa.example.com]' }))
}, { description: 'Cross-origin requests.', default: {} })
