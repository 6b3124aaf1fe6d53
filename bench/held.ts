import { setTimeout as wait } from 'node:timers/promises'
import { measureRounds, type BenchContext } from './harness.ts'
import { mostOfTwoFiles, openFiles, treeRssOf } from './machine.ts'
import type { Arm, Sample, Table } from './report.ts'

/* Memory of what a process holds: of each of many requests that wait, or of sockets that are open. */

const most = 10_000
const quickMost = 500
/** The number with which a process is warmed up, so that its code is not part of the figures. */
const firstHeld = 200

const patienceMs = 120_000

/** A fresh process, because memory that a process was given once stays with it. */
export interface Holder {
  pid: number
  /** Resolves to the heap after a collection of garbage; null in a process without such a heap. */
  heap: (() => Promise<number>) | null
  /** Makes it hold so many, and resolves when it does. Returns how many of them it holds. */
  hold (count: number): Promise<number>
  /** Ends what it holds, and checks that each had the outcome that it should have. */
  release (): Promise<void>
  end (): Promise<void>
}

export interface HolderArm { what: string, start: () => Promise<Holder> }

export const heldColumns: Table['columns'] = {
  held: { head: 'held', digits: 0 },
  rssKb: { head: 'memory kB each', digits: 1 },
  heapKb: { head: 'heap kB each', digits: 1 },
  growthMb: { head: 'memory of all MB', digits: 1 },
  rssMb: { head: 'memory of the process MB', digits: 0 }
}

export function heldCount ({ isQuick }: BenchContext): number {
  return isQuick ? quickMost : mostOfTwoFiles(most)
}

/** Returns a sentence where the system permits less than there should be. */
export function sayHeldCount (context: BenchContext): string {
  const count = heldCount(context)
  return context.isQuick || count === most ? '' : `${count.toLocaleString('en')} and not ${most.toLocaleString('en')}, because each takes two files of a process, which may have ${openFiles().toLocaleString('en')} open here. `
}

export async function measureHolders (arms: Record<string, HolderArm>, context: BenchContext): Promise<Record<string, Arm>> {
  const samples = await measureRounds(Object.keys(arms), context, async name => await measure(arms[name]!, context), ({ figures }) => `${figures['rssKb']!.toFixed(1)} kB`)
  return Object.fromEntries(Object.entries(arms).map(([name, { what }]) => [name, { what, rounds: samples[name]! }]))
}

async function measure ({ start }: HolderArm, context: BenchContext): Promise<Sample> {
  const { pid, heap, hold, release, end } = await start()
  await hold(firstHeld)
  await release()
  const heapBefore = await heap?.() ?? null
  const rssBefore = treeRssOf(pid)
  const held = await hold(heldCount(context))
  await wait(context.seconds * 1000)
  const rss = treeRssOf(pid)
  const heapAfter = await heap?.() ?? null
  await release()
  await end()
  return {
    figures: {
      held,
      rssKb: (rss - rssBefore) / held / 1000,
      ...heapBefore === null || heapAfter === null ? {} : { heapKb: (heapAfter - heapBefore) / held / 1000 },
      growthMb: (rss - rssBefore) / 1e6,
      rssMb: rss / 1e6
    }
  }
}

/** Resolves when the condition holds. `describe` says what there is, for the error when it does not come to hold. */
export async function until (holds: () => Promise<boolean>, describe: () => Promise<string>): Promise<void> {
  for (const startedMs = performance.now(); !await holds(); await wait(20)) {
    if (performance.now() - startedMs > patienceMs) throw new Error(await describe())
  }
}
