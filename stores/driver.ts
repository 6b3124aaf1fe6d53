import type { TObject } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { Complete, Decoded } from '../lib/settings/decode.ts'
import type { CreateCounts } from './counts.ts'
import type { Store } from './store.ts'

/** The settings of a store once they are resolved. The other members are known to its driver alone. */
export interface StoreConfig {
  readonly type: string
  readonly timeoutMs: number
}

/** A rule between settings that is broken. */
export interface SettingProblem {
  /** The name of the setting inside its group, such as `tls.key`. */
  setting: string
  /** The text that follows "setting: "; it never contains a value. */
  text: string
}

export interface OpenOptions {
  /** Called with the reason when the start has to wait for the store. */
  onWait?: (text: string) => void
  /** Called with each setting of the store's server that is questionable but does not prevent its use. */
  onWarning?: (text: string) => void
}

/** An open store. */
export interface OpenedStore {
  /** Its `end` also ends the connection. */
  store: Store
  /** Registers the client of the store with the server that uses the store, for the application's own code. */
  expose?: (fastify: FastifyInstance) => Promise<void>
  /** Without this, each process counts its rate limits alone. */
  createCounts?: CreateCounts
}

/** Description and bounds of the setting `timeout`, which every kind of store has. */
export const operationTimeout = { description: 'Maximum duration of one operation; a longer one counts as an outage.', minimum: '50ms', maximum: '60s' } as const

/** The plugin that takes the options of every driver; errors in the options begin with this name. */
export const storePluginName = 'portcullis-store'

/**
 * A kind of store. The entries are in drivers.ts. `Group` is the schema of its settings, `Resolved` their resolved form, and
 * `Options` the options that the plugin portcullis-store takes for it.
 */
export interface StoreDriver<Group extends TObject = TObject, Resolved extends StoreConfig = StoreConfig, Options extends object = object> {
  /** The value of `type` in the configuration, in the options of the plugin, and in every Store that the driver opens. */
  readonly type: string
  /** The group of settings under `store`; a literal `type` is one of them. Its texts that are paths of files have `isFile`. */
  readonly settings: Group
  /** Error of signing keys in the store that none of the configured secrets opens. */
  readonly sealedElsewhere: string

  /** Finds rules that are broken between settings of the group that are each right by themselves. */
  findProblems (settings: Complete<Group>): SettingProblem[]
  /** Makes paths absolute, starting from `directory`, and gives the settings the form that the methods below take. */
  resolve (settings: Decoded<Group>, directory: string): Resolved
  /** Returns the rows that `portcullis check` prints about the store; a row without a value is left out. */
  describe (config: Resolved): Array<[name: string, value: string | null]>
  /** Returns warnings about settings that are allowed but questionable. */
  lint (config: Resolved): string[]
  /**
   * Checks the files that the settings name, without making or changing one, and returns warnings. Throws ConfigInvalidError when the
   * store could not start with them. `secrets` are the configured ones. Not for a process that has the store open.
   */
  checkFiles (config: Resolved, secrets: readonly string[] | null): Promise<string[]>
  /** Returns the error that processes get which cannot share this store with others; null when they can. */
  refuseSharing (config: Resolved): string | null
  /** Reads the secret that is kept beside the store, and makes it when it is missing. Drivers without this method require `secret`. */
  secretBeside? (config: Resolved): Promise<string>
  /** Returns the options of the plugin, with the content of the files that the settings name. Throws ConfigInvalidError when a file cannot be used. */
  readOptions (config: Resolved): Promise<Options>
  /** Checks the options of the plugin and opens the store. Throws ConfigInvalidError, or StoreUnavailableError. */
  open (options: Options, hooks?: OpenOptions): Promise<OpenedStore>
}
