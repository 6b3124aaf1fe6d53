/** The costs of each operation for one Redis and its followers: CPU µs of its one thread, and the network delay. */
export interface Costs {
  /** The cost of ending a session. */
  revocationUs: number
  /** The cost of notifying one gateway, and of taking its next request for news. */
  tellUs: number
  /** The cost of one gateway's read of new entries. */
  readUs: number
  /** The delay from a gateway to Redis, or back. */
  wayUs: number
}

export interface Fleet {
  gateways: number
  /** The sessions that end a second. */
  revocations: number
  /** The share of the thread's time that sign-ins and refreshes take. */
  otherLoad: number
  /** The interval at which each gateway reads without a notification, in milliseconds. */
  heartbeatMs: number
}

export interface Outcome {
  /** The share of its time that the thread was busy. */
  busy: number
  /** The delay from the acknowledged end of a session until a gateway refuses it; the median. */
  p50Ms: number
  p99Ms: number
}

type Job = { kind: 'end' | 'other' } | { kind: 'wait' | 'read', gateway: number, known: number }

interface Gateway {
  /** The number of entries that the gateway has read. */
  read: number
  isReading: boolean
  readAgain: boolean
}

const second = 1e6
const otherUs = 50

/**
 * Simulates one thread that executes one job after another, and gateways that wait for news, are notified, and read. Sessions end
 * at random moments; equal seeds give equal runs.
 */
export function simulate (fleet: Fleet, costs: Costs, { seconds, seed }: { seconds: number, seed: number }): Outcome {
  const random = randomNumbers(seed)
  const events = new Agenda()
  const queue: Job[] = []
  const gateways: Gateway[] = Array.from({ length: fleet.gateways }, () => ({ read: 0, isReading: false, readAgain: false }))
  /** The gateways that wait for news. */
  let waiting: number[] = gateways.map((_, index) => index)
  /** The instant at which each session ended. */
  const endedAt: number[] = []
  const delays: number[] = []
  let [nowUs, busyUs, isBusy] = [0, 0, false]

  // The thread writes to all waiting gateways, one after the other, before its next job.
  const costOf = ({ kind }: Job): number => ({ end: costs.revocationUs + waiting.length * costs.tellUs / 2, other: otherUs, wait: costs.tellUs / 2, read: costs.readUs })[kind]
  function arrive (job: Job): void {
    queue.push(job)
    if (!isBusy) begin()
  }
  function begin (): void {
    const job = queue.shift()
    isBusy = job !== undefined
    if (job === undefined) return
    const takesUs = costOf(job)
    busyUs += takesUs
    events.add(nowUs + takesUs, () => {
      finish(job)
      begin()
    })
  }
  function finish (job: Job): void {
    if (job.kind === 'end') {
      endedAt.push(nowUs)
      for (const gateway of waiting) tell(gateway)
      waiting = []
    } else if (job.kind === 'wait') {
      if (job.known < endedAt.length) tell(job.gateway)
      else waiting.push(job.gateway)
    } else if (job.kind === 'read') {
      const upTo = endedAt.length
      events.add(nowUs + costs.wayUs, () => { hear(job.gateway, upTo) })
    }
  }
  function tell (gateway: number): void {
    const known = endedAt.length
    events.add(nowUs + costs.wayUs, () => {
      read(gateway)
      events.add(nowUs + costs.wayUs, () => { arrive({ kind: 'wait', gateway, known }) })
    })
  }
  function read (index: number): void {
    const gateway = gateways[index]!
    gateway.readAgain = gateway.isReading
    if (gateway.isReading) return
    gateway.isReading = true
    events.add(nowUs + costs.wayUs, () => { arrive({ kind: 'read', gateway: index, known: 0 }) })
  }
  function hear (index: number, upTo: number): void {
    const gateway = gateways[index]!
    for (; gateway.read < upTo; gateway.read++) delays.push(nowUs - endedAt[gateway.read]!)
    gateway.isReading = false
    if (gateway.readAgain) read(index)
  }
  function repeat (perSecond: number, act: () => void): void {
    if (perSecond === 0) return
    events.add(nowUs - Math.log(1 - random()) * second / perSecond, () => {
      act()
      repeat(perSecond, act)
    })
  }

  repeat(fleet.revocations, () => { arrive({ kind: 'end' }) })
  repeat(fleet.otherLoad * second / otherUs, () => { arrive({ kind: 'other' }) })
  for (const index of gateways.keys()) {
    const beat = (): void => {
      read(index)
      events.add(nowUs + fleet.heartbeatMs * 1000, beat)
    }
    events.add(random() * fleet.heartbeatMs * 1000, beat)
  }
  for (let event = events.next(); event !== null && event.atUs < seconds * second; event = events.next()) {
    nowUs = event.atUs
    event.act()
  }
  const sorted = Float64Array.from(delays).sort()
  const at = (share: number): number => (sorted[Math.ceil(sorted.length * share) - 1] ?? 0) / 1000
  return { busy: Math.min(1, busyUs / (seconds * second)), p50Ms: at(0.5), p99Ms: at(0.99) }
}

interface Event { atUs: number, act: () => void }

/** The scheduled events, the earliest first: a binary heap. */
class Agenda {
  readonly #heap: Event[] = []

  add (atUs: number, act: () => void): void {
    const heap = this.#heap
    let at = heap.push({ atUs, act }) - 1
    for (let above = (at - 1) >> 1; at > 0 && heap[above]!.atUs > heap[at]!.atUs; above = (at - 1) >> 1) {
      [heap[above], heap[at]] = [heap[at]!, heap[above]!]
      at = above
    }
  }

  next (): Event | null {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined) return null
    if (heap.length > 0) this.#sink(last)
    return first
  }

  #sink (event: Event): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const least = left + 1 < heap.length && heap[left + 1]!.atUs < heap[left]!.atUs ? left + 1 : left
      if (left >= heap.length || heap[least]!.atUs >= event.atUs) break
      heap[at] = heap[least]!
      at = least
    }
    heap[at] = event
  }
}

/** Creates a Mulberry32 generator of numbers from 0 to below 1. */
function randomNumbers (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
