import { Type } from '@sinclair/typebox'
import { duration, group, text } from '../../lib/settings/fields.ts'
import { checkNotEmpty } from '../../lib/settings/text-checks.ts'
import { operationTimeout } from '../driver.ts'

const { Optional } = Type

/** The settings of `store.type: sqlite`. */
export const settings = group({
  type: Type.Literal('sqlite'),
  path: Optional(text(checkNotEmpty, { description: 'The database file, or :memory: for a database that is lost at exit.', default: './portcullis.db', expects: 'a path', isFile: true })),
  timeout: Optional(duration({ ...operationTimeout, default: '5s' }))
}, { description: 'The embedded store: one file, one machine.' })
