import { hostname } from 'node:os'
import { Failure } from '../lib/failure.ts'
import { mostNoteBytes } from '../lib/notes.ts'
import { sha256, type DerivedSecret } from '../lib/secrets.ts'
import type { Note } from '../lib/notes.ts'
import type { Store } from '../stores/store.ts'

export interface AgreementOptions {
  store: Pick<Store, 'nowMs' | 'putNote' | 'readNotes'>
  secrets: readonly DerivedSecret[]
  /** The origin of this gateway. Gateways of other origins may have other users. */
  origin: string
  /** The absolute path of the users file. */
  file: string
  digest: (key: Buffer) => string
  /** Called when the users differ: at once, and every ten minutes. */
  onDifference: (problem: string) => void
  /** Called when the users agree again. */
  onAgreement: () => void
  /** A monotonic clock, in milliseconds. */
  now?: () => number
}

/** The lifetime of an entry that is not renewed, in milliseconds; after that its process counts as ended. */
const keptForMs = 60_000
/** The time that a new file has to reach all hosts before a difference is reported, in milliseconds. */
const toleratedMs = 30_000
const repeatMs = 600_000
/** The most entries in a note. An entry is an HMAC-SHA-256 in base64url, the id of its secret, and separators. */
const mostDigests = Math.floor(mostNoteBytes / 51)

const problem = 'identity.file: the users file of another host or process differs from this one, so a user who was removed here may still sign in there, or the other way round; give every host the same file'

/** Compares the users of this process with those of all others that share the store, by keyed digests. */
export class UsersAgreement {
  readonly #options: AgreementOptions
  readonly #topic: string
  readonly #name: string
  readonly #now: () => number
  readonly #failure = new Failure({ repeatMs })
  /** The note that this process wrote last. */
  #put: string | null = null
  /** The instant from which each entry differs, by the store's clock. */
  #since = new Map<string, number>()
  #checking: Promise<void> | null = null

  constructor (options: AgreementOptions) {
    this.#options = options
    this.#topic = `users-${sha256(options.origin)}`
    this.#name = sha256(JSON.stringify([hostname(), options.file]))
    this.#now = options.now ?? (() => performance.now())
  }

  /** Returns the detected difference, without a secret; null when there is none. */
  get problem (): string | null {
    return this.#failure.reason
  }

  /** Compares once, and publishes this process's digest. Rejects when the store is unavailable; the last result then stays. */
  check (): Promise<void> {
    this.#checking ??= this.#check().finally(() => { this.#checking = null })
    return this.#checking
  }

  async #check (): Promise<void> {
    const { store, secrets, digest } = this.#options
    const notes = await store.readNotes(this.#topic)
    // One digest a secret: while the secret is being changed, processes have different first ones, and one in common.
    const text = secrets.slice(0, mostDigests).map(({ id, usersKey }) => `${id.toString('base64url')}.${digest(usersKey)}`).join(' ')
    this.#compare(notes, text)
    await store.putNote(this.#topic, this.#name, text, keptForMs)
    this.#put = text
  }

  /**
   * An entry counts when it has been renewed for long enough with users that differ: not that of a process which ended while the file
   * was distributed. One under the own name that this process did not put is of another process; its host may have the same name.
   */
  #compare (notes: Note[], text: string): void {
    const nowMs = this.#options.store.nowMs()
    const differing = notes.filter(note => !(note.name === this.#name && note.text === this.#put) && differ(note.text, text))
    this.#since = new Map(differing.map(({ name }) => [name, Math.min(this.#since.get(name) ?? nowMs, nowMs)]))
    const isDifferent = differing.some(({ name, atMs }) => atMs - this.#since.get(name)! > toleratedMs)
    if (isDifferent && this.#failure.note(problem, this.#now())) this.#options.onDifference(problem)
    if (!isDifferent && this.#failure.end()) this.#options.onAgreement()
  }
}

/** Texts without a secret in common cannot be compared. */
function differ (one: string, other: string): boolean {
  const digests = new Map(other.split(' ').map(entry => entry.split('.') as [id: string, digest: string]))
  return one.split(' ').some(entry => {
    const [id, digest] = entry.split('.') as [id: string, digest: string]
    return digests.has(id) && digests.get(id) !== digest
  })
}
