import type { AddressInfo } from 'node:net'
import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { serveParent } from '../../bench/processes/child.ts'
import type { ConfigInput } from '../../config/schema.ts'
import { buildGateway } from '../../gateway/gateway.ts'
import { identity } from './people.ts'

/** The gateway in a process of its own, which measures itself. Its configuration, but for who may sign in, is its argument. */
const app = await buildGateway({ ...JSON.parse(process.argv[2] ?? '{}') as ConfigInput, identity })
await app.listen({ host: '127.0.0.1', port: 0 })

const resolutionMs = 1
const delays = monitorEventLoopDelay({ resolution: resolutionMs })
delays.enable()

/*
 * The same, but for the time in which the system let somebody else run: of how late a timer is, only what this thread was
 * computing meanwhile counts. On a machine that is shared the difference is large.
 */
const own = createHistogram()
let ownResetAt = 0
let [lastAtMs, lastCpuUs] = [performance.now(), cpuUs()]
setInterval(() => {
  const [atMs, nowCpuUs] = [performance.now(), cpuUs()]
  const lateUs = Math.min((atMs - lastAtMs - resolutionMs) * 1000, nowCpuUs - lastCpuUs)
  if (lastAtMs > ownResetAt) own.record(Math.max(1, Math.round(lateUs)));
  [lastAtMs, lastCpuUs] = [atMs, nowCpuUs]
}, resolutionMs).unref()

function cpuUs (): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

export interface Measurement {
  /** How late timers were since the last time. */
  p99Ms: number
  maxMs: number
  /** The same, as far as it was this process's own doing. */
  ownP99Ms: number
  ownMaxMs: number
  /** What is left after a full collection. */
  heapBytes: number
}

async function measure (): Promise<Measurement> {
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs)
  const delay = { p99Ms: late(delays.percentile(99)), maxMs: late(delays.max), ownP99Ms: own.percentile(99) / 1000, ownMaxMs: own.max / 1000 }
  // Twice: what finalizers let go of in the first is freed in the second.
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed: heapBytes } = process.memoryUsage()
  // The collections' own delay is not what is asked for.
  await wait(5 * resolutionMs)
  ownResetAt = performance.now()
  delays.reset()
  own.reset()
  return { ...delay, heapBytes }
}

serveParent({ url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` }, { measure }, async () => {
  app.server.closeAllConnections()
  await app.close()
})
