import { StoreUnavailableError } from '../../lib/errors.ts'
import type { Store } from '../../stores/store.ts'

export interface Outage {
  wrapStore: (store: Store) => Store
  /** From now on every operation of the store is rejected. */
  begin (): void
  end (): void
  /** Names of the operations that were asked for. */
  readonly calls: string[]
}

/** A store that can be made to go away: what it was and what it is asked after that. */
export function createOutage (): Outage {
  let isAway = false
  const calls: string[] = []
  const wrapStore = (store: Store): Store => new Proxy(store, {
    get (target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method = value.bind(target) as (...given: unknown[]) => unknown
      if (name === 'nowMs' || name === 'onGrowth' || name === 'end') return method
      return async (...given: unknown[]) => {
        calls.push(String(name))
        if (isAway) throw new StoreUnavailableError()
        return await method(...given)
      }
    }
  })
  return { wrapStore, calls, begin: () => { isAway = true }, end: () => { isAway = false } }
}
