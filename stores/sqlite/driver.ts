import { resolve } from 'node:path'
import { Type } from '@sinclair/typebox'
import { checkOptions, type Duration } from '../../lib/check-options.ts'
import type { Decoded } from '../../lib/settings/decode.ts'
import { durationOption, optionsOf } from '../../lib/settings/options.ts'
import { storePluginName, type StoreDriver } from '../driver.ts'
import { forAnyone, warnOfReaders } from '../files/readers.ts'
import { checkSecretFile, secretBeside } from './secret-file.ts'
import { settings } from './settings.ts'

export interface SqliteOptions {
  /** Selects SQLite, the default. */
  type?: 'sqlite'
  /** The database file, which is created if it is missing; `:memory:` for tests. Default `portcullis.db`. */
  path?: string
  /** Maximum duration of a write. Default 5s. */
  timeout?: Duration
  /** Clock of sessions and tokens, in milliseconds since the epoch, for tests. Default `Date.now`. */
  clock?: () => number
}

const Options = optionsOf({}, {
  type: Type.Optional(Type.Literal('sqlite')),
  path: Type.String({ minLength: 1, default: 'portcullis.db' }),
  timeout: Type.Optional(durationOption()),
  clock: Type.Optional(Type.Unsafe<() => number>(Type.Function([], Type.Number(), { errorMessage: 'must be a function that returns milliseconds since the epoch' })))
})

/** The path is absolute, or `:memory:`. */
type SqliteConfig = Decoded<typeof settings>

const memory = ':memory:'

/** The embedded store: one file for the processes of one machine, or none at all for a single process. */
export const sqlite: StoreDriver<typeof settings, SqliteConfig, SqliteOptions> = {
  type: 'sqlite',
  settings,
  sealedElsewhere: 'secret: the signing keys in the store were sealed with another one; give that one too, after the new one. If another deployment uses this file, set store.path',
  findProblems: () => [],
  resolve: (store, directory) => ({ ...store, path: store.path === memory ? memory : resolve(directory, store.path) }),
  describe: ({ path }) => [['store', `sqlite ${path}`]],
  lint: ({ path }) => path === memory ? ['store.path: is :memory:, so a restart signs everyone out and forgets every revocation; write a path'] : [],
  async checkFiles ({ path }, secrets) {
    if (path === memory) return []
    const { inspectFile } = await import('./inspect.ts')
    inspectFile(path)
    return [...await warnOfReaders('store.path', path, forAnyone), ...await checkSecretFile(path, secrets)]
  },
  refuseSharing: ({ path }) => path === memory ? 'store.path: :memory: belongs to one process alone; give the store a file' : null,
  secretBeside: async ({ path }) => await secretBeside(path),
  readOptions: async ({ path, timeoutMs }) => ({ type: 'sqlite', path, timeout: timeoutMs }),
  async open (options, hooks = {}) {
    const { path, timeoutMs, clock } = checkOptions(storePluginName, Options, options)
    // Loaded here, so that gateways on other stores, and commands that open none, do not load SQLite.
    const { createSqliteStore } = await import('../sqlite.ts')
    return { store: await createSqliteStore({ path, ...hooks, ...timeoutMs === undefined ? {} : { timeoutMs }, ...clock === undefined ? {} : { now: clock } }) }
  }
}
