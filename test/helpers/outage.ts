import { StoreUnavailableError } from '../../lib/errors.ts'
import type { Store } from '../../stores/store.ts'

export interface Outage {
  wrapStore: (store: Store) => Store
  /** Makes every operation of the store reject from now on. */
  begin (): void
  end (): void
  /** The names of the called operations. */
  readonly calls: string[]
}

/** Creates a wrapper that makes a store unavailable, and records its calls. */
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
