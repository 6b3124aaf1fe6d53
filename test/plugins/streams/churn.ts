import { getHeapSpaceStatistics } from 'node:v8'
import { StreamRegistry, type Stream } from '../../../plugins/streams/registry.ts'

// Prints how many bytes at most have grown old while 40,000 exchanges of 0.6 kB pass, 32 at a time.

const registry = new StreamRegistry({ nowMs: () => 0, isRevoked: () => false, readEnd: async () => Infinity })
const oldBytes = (): number => getHeapSpaceStatistics().find(space => space.space_name === 'old_space')!.space_used_size
const underWay: Stream[] = []
let before = Infinity
let grownBytes = 0

for (let i = 0; i < 40_000; i++) {
  const stream = { identity: null, startedAtMs: i, youngAt: -1, end: () => {}, answer: Array.from({ length: 64 }, () => i) }
  registry.add(stream)
  underWay.push(stream)
  if (underWay.length === 32) registry.delete(underWay.shift()!)
  if (i % 1000 !== 99) continue
  // Whatever is under way at a full collection counts as old from then on.
  await globalThis.gc!({ type: i === 99 ? 'major' : 'minor', execution: 'sync' })
  if (i === 99) before = oldBytes()
  grownBytes = Math.max(grownBytes, oldBytes() - before)
}

process.stdout.write(String(grownBytes))
