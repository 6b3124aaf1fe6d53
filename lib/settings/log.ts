import { Type } from '@sinclair/typebox'
import { choice, flag, group } from './fields.ts'

const { Optional } = Type

export const log = group({
  level: Optional(choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { description: 'Lowest level that is logged.', default: 'info' })),
  access: Optional(flag({ description: 'Writes one line for each request.', default: false }))
}, { description: 'Logging.', default: {} })
