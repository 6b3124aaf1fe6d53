import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { driverOf } from '../../stores/drivers.ts'
import type { Revocation } from '../../lib/revocation/entries.ts'
import { argsOfParent, cpuTime, serveParent } from './child.ts'

/** Writes revocations into a store without a gateway: as re-assertions of a gateway that knows them, and one by one as they occur. */
const args = argsOfParent<{ store: { type: 'sqlite', path: string } | { type: 'redis', url: string } }>()
const { store } = await driverOf(args.store).open({ ...args.store, timeout: '60s' })

const batch = 20_000
const minute = 60_000

/** Adds ended sessions, in force for longer than any run takes. Resolves to some of their names. */
async function fill ({ count }: { count: number }): Promise<string[]> {
  const some: string[] = []
  for (let made = 0; made < count; made += batch) {
    const nowMs = store.nowMs()
    const revocations: Revocation[] = Array.from({ length: Math.min(batch, count - made) }, (_, index) => ({ kind: 'sid', sid: createSid(), expiresAtMs: nowMs + 30 * minute + (made + index) % (15 * minute) }))
    if (await store.reassert(revocations, { owner: 'bench' }) !== 'asserted') throw new Error('somebody else re-asserts')
    const [first] = revocations
    if (first?.kind === 'sid') some.push(first.sid)
  }
  return some
}

/** Ends sessions at a fixed rate. Resolves to the number of ended sessions, and to the longest time that one took. */
async function stream ({ perSecond, seconds }: { perSecond: number, seconds: number }): Promise<{ ended: number, slowestMs: number }> {
  const startMs = performance.now()
  const total = perSecond * seconds
  const ending: Array<Promise<void>> = []
  let slowestMs = 0
  async function endOne (): Promise<void> {
    const startedMs = performance.now()
    await store.close(createSid(), { maxTokenAgeMs: 15 * minute })
    slowestMs = Math.max(slowestMs, performance.now() - startedMs)
  }
  while (ending.length < total) {
    for (const nowMs = performance.now(); ending.length < total && startMs + ending.length * 1000 / perSecond <= nowMs;) ending.push(endOne())
    await wait(1)
  }
  await Promise.all(ending)
  return { ended: total, slowestMs }
}

function createSid (): string {
  return randomBytes(16).toString('base64url')
}

serveParent({}, { cpu: cpuTime, fill, stream }, async () => { await store.end() })
