import type { Revocation } from '../../lib/revocation/entries.ts'
import type { Store } from '../store.ts'

export interface Snapshot {
  position: string
  revocations: Revocation[]
}

/** Returns all pages of a snapshot at once. */
export async function takeSnapshot (store: Pick<Store, 'snapshot'>): Promise<Snapshot> {
  const revocations: Revocation[] = []
  const position = await store.snapshot(async page => { revocations.push(...page) })
  return { position, revocations }
}
