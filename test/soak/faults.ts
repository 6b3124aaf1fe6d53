import type { Fleet } from './fleet.ts'
import type { RunningStore } from './stores.ts'

/** What is drawn for a fault; each kind takes of it what it needs. */
export interface Drawn {
  /** At which gateway. */
  place: 0 | 1
  forMs: number
  /** From 0 to 1: how much of it. */
  amount: number
}

/** Lets so much time pass, unless the run is over. */
export type Last = (ms: number) => Promise<void>

export interface FaultKind {
  /** How often it is drawn, among the others. */
  weight: number
  /** Does it and undoes it. */
  inject: (drawn: Drawn, last: Last) => Promise<void>
}

export type FaultKinds = Record<string, FaultKind>

export function faultsOf (store: RunningStore, fleet: Fleet): FaultKinds {
  return { ...ofGateways(fleet), ...store.type === 'redis' ? ofRedis(store) : ofSqlite(store) }
}

/** A is one process all the time; it is stopped, never ended. */
function ofGateways (fleet: Fleet): FaultKinds {
  return {
    'gateway killed': {
      weight: 2,
      async inject ({ forMs }, last) {
        await fleet.remove(1).kill()
        await last(forMs)
        await fleet.start(1)
      }
    },
    /** As a rolling restart does: the next one first, and then the old one, which loses nothing. */
    'gateway replaced': {
      weight: 2,
      async inject () {
        const old = fleet.at(1)
        await fleet.start(1)
        await fleet.replace(old)
      }
    },
    'gateway stopped': {
      weight: 2,
      async inject ({ place, forMs }, last) {
        fleet.at(place).stop()
        await last(forMs)
        fleet.at(place).resume()
      }
    }
  }
}

function ofRedis ({ server, proxies }: RunningStore & { type: 'redis' }): FaultKinds {
  const during = (weight: number, begin: (drawn: Drawn) => unknown, end: (drawn: Drawn) => unknown): FaultKind => ({
    weight,
    async inject (drawn, last) {
      await begin(drawn)
      await last(drawn.forMs)
      await end(drawn)
    }
  })
  const repeated = (weight: number, act: (drawn: Drawn) => void): FaultKind => ({
    weight,
    async inject (drawn, last) {
      for (let round = 0; round < 1 + drawn.amount * 8; round++) {
        act(drawn)
        await last(200)
      }
    }
  })
  return {
    latency: during(2, ({ place, amount }) => { proxies[place].inject({ delayMs: amount * 200, jitterMs: amount * 200 }) }, ({ place }) => { proxies[place].inject() }),
    silence: during(2, ({ place }) => { proxies[place].inject({ silent: true }) }, ({ place }) => {
      proxies[place].inject()
      proxies[place].reset()
    }),
    'connections reset': repeated(2, ({ place }) => { proxies[place].reset() }),
    'replies dropped': repeated(3, ({ place, amount }) => { proxies[place].dropReply(1 + Math.floor(amount * 20)) }),
    'connections refused': during(1, async ({ place }) => { await proxies[place].refuse(true) }, async ({ place }) => { await proxies[place].refuse(false) }),
    'store killed': during(2, async () => { await server.stop() }, async () => { await server.start() }),
    'store stopped': during(1, () => { server.pause() }, () => { server.resume() })
  }
}

function ofSqlite ({ lock }: RunningStore & { type: 'sqlite' }): FaultKinds {
  return {
    'file locked': {
      weight: 4,
      async inject ({ forMs }, last) {
        const unlock = lock()
        // Also for longer than anybody waits for it.
        await last(2 * forMs)
        unlock()
      }
    }
  }
}
