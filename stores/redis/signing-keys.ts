import type { Store } from '../store.ts'
import { keyDocumentName, type Keys } from './keys.ts'
import type { Scripts } from './scripts.ts'

type SigningKeys = Pick<Store, 'readKeys' | 'writeKeys'>

export function createSigningKeys ({ run }: Scripts, { first }: Keys): SigningKeys {
  const names = [keyDocumentName(first)]
  return {
    async readKeys () {
      const [document] = await run('read-keys', first, names)
      const [version, text] = document as [string | null, string]
      return version === null ? null : { version: Number(version), text }
    },

    async writeKeys (expectedVersion, text) {
      const [outcome] = await run('write-keys', first, names, [expectedVersion, text])
      return outcome as 'written' | 'conflict'
    }
  }
}
