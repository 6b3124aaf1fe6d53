import { writeFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { Client } from './client.ts'
import { writeConfiguration } from './configuration.ts'
import { Endings } from './endings.ts'
import { faultsOf } from './faults.ts'
import { Fleet } from './fleet.ts'
import { Judge } from './judge.ts'
import { Nemesis } from './nemesis.ts'
import { Random } from './random.ts'
import { resultOf, tell, type Result, type Run } from './report.ts'
import { readSettings, usage, type Settings } from './settings.ts'
import { startStore } from './stores.ts'
import { StreamWatch } from './streams.ts'
import { Tally } from './tally.ts'
import { startEcho } from './upstream.ts'
import { sampleEveryMs } from './vitals.ts'
import type { World } from './world.ts'

const longestPauseMs = 60
const comeAgainMs = 40
const lookEveryMs = 1000
const tellEveryMs = 10_000
const settleWithinMs = 30_000
/** Kept connections to services and stores, and what is left of streams, are gone by then. */
const quietMs = 8000
/** So many more open files than at the start are no leak. */
const spareFds = 16

process.exitCode = await main(process.argv.slice(2))

async function main (args: string[]): Promise<number> {
  const settings = readOrExplain(args)
  if (typeof settings === 'number') return settings
  const over = new AbortController()
  const endings = new Endings()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (over.signal.aborted) process.exit(130)
      process.stdout.write('ending; once more to end at once\n')
      over.abort()
    })
  }
  try {
    const result = await soak(settings, endings, over)
    process.stdout.write(`\n${tell(result)}`)
    if (settings.json !== null) await writeFile(settings.json, `${JSON.stringify(result, null, 2)}\n`)
    return result.violated > 0 ? 1 : 0
  } finally {
    await endings.end()
  }
}

/** The exit code where there is nothing to run. */
function readOrExplain (args: string[]): Settings | number {
  try {
    const settings = readSettings(args)
    if (settings !== null) return settings
    process.stdout.write(usage)
    return 0
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    return 2
  }
}

async function soak (settings: Settings, endings: Endings, over: AbortController): Promise<Result> {
  const random = new Random(settings.seed)
  process.stdout.write(`soak: ${settings.store}, ${settings.seconds} s, seed ${settings.seed}\n`)
  const usernames = Array.from({ length: settings.clients }, (_, index) => `client-${index}`)
  const echo = await startEcho(endings)
  const places = { folder: '' }
  const store = await startStore(endings, settings.store, () => places.folder)
  const { config, folder, adminToken } = await writeConfiguration(endings, { usernames, store: store.settings, upstream: echo.url })
  places.folder = folder
  const [judge, tally] = [new Judge(), new Tally()]
  const fleet = new Fleet({ config, endings }, store.urls, judge)
  await fleet.start(0)
  await fleet.start(1)
  const nemesis = new Nemesis(random.fork('faults'), faultsOf(store, fleet))
  const world: World = { gateways: () => fleet.serving, judge, tally, quietSinceMs: () => nemesis.quietSinceMs, adminToken }
  const watch = new StreamWatch(world)
  const clients = usernames.map((name, index) => new Client(name, index % 2 === 0 ? 'session' : 'tokens', { random: random.fork(name), world, watch }))

  const startedAtMs = performance.now()
  const timer = setTimeout(() => { over.abort() }, settings.seconds * 1000)
  const run: Omit<Run, 'lastedSeconds' | 'summaries'> = { settings, tally, judge, nemesis, fleet, watch }
  const looking = startLooking(run, clients, startedAtMs)
  try {
    await Promise.all([nemesis.run(over.signal, startedAtMs), ...clients.map(async client => { await work(client, random.fork(`${client.name}'s pauses`), over.signal) })])
    const lastedSeconds = (performance.now() - startedAtMs) / 1000
    await settle(clients, run)
    if (echo.unidentified > 0) judge.report(`${echo.unidentified} requests reached the service without an identity`)
    const { summaries } = fleet
    for (const { name, pid, fds } of summaries) if (fds.end > fds.start + spareFds) judge.report(`gateway ${name} (pid ${pid}) has ${fds.end} open files, and had ${fds.start}`)
    await looking.stop()
    await fleet.end()
    return resultOf({ ...run, lastedSeconds, summaries })
  } finally {
    clearTimeout(timer)
    over.abort()
    await looking.stop()
    for (const client of clients) client.leave()
  }
}

async function work (client: Client, pauses: Random, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const isCertain = await client.step()
    await wait(pauses.between(0, longestPauseMs) + (isCertain ? 0 : comeAgainMs))
  }
}

/** No fault any more: everybody finds out where they stand, all histories are judged, and then nobody asks anything. */
async function settle (clients: Client[], { fleet, judge, watch }: Pick<Run, 'fleet' | 'judge' | 'watch'>): Promise<void> {
  const untilMs = performance.now() + settleWithinMs
  await Promise.all(clients.map(async client => { await client.settle(untilMs) }))
  while (watch.watched > 0 && performance.now() < untilMs) await wait(100)
  for (const client of clients) client.leave()
  judge.sweep(Infinity)
  await wait(quietMs)
  await fleet.sample()
}

function startLooking (run: Omit<Run, 'lastedSeconds' | 'summaries'>, clients: Client[], startedAtMs: number): { stop: () => Promise<void> } {
  const { fleet, judge, watch } = run
  let sampling: Promise<void> = Promise.resolve()
  const timers = [
    setInterval(() => {
      fleet.look()
      watch.look()
      judge.sweep(performance.now())
    }, lookEveryMs),
    setInterval(() => { sampling = sampling.then(async () => { await fleet.sample() }) }, sampleEveryMs),
    setInterval(() => { process.stdout.write(`${progress(run, clients, startedAtMs)}\n`) }, tellEveryMs)
  ]
  return {
    async stop () {
      for (const timer of timers) clearInterval(timer)
      await sampling
    }
  }
}

function progress ({ tally, judge, nemesis, fleet }: Omit<Run, 'lastedSeconds' | 'summaries'>, clients: Client[], startedAtMs: number): string {
  const faults = Object.values(nemesis.counts).reduce((sum, count) => sum + count, 0)
  const streams = clients.reduce((sum, { openStreams }) => sum + openStreams, 0)
  return [
    `${Math.round((performance.now() - startedAtMs) / 1000)} s`,
    `${tally.total} operations (${tally.sum('ok')} ok, ${tally.sum('refused')} refused, ${tally.sum('come again')} to come again, ${tally.sum('no answer')} unanswered)`,
    `${clients.filter(({ isSignedIn }) => isSignedIn).length} signed in, ${streams} streams, ${judge.sessions} sessions in judgement`,
    `${faults} faults, ${nemesis.quietSinceMs === Infinity ? 'one now' : `last ${nemesis.last.at(-1)?.kind ?? 'none'}`}`,
    fleet.summaries.map(({ name, rssMb }) => `${name} ${rssMb} MB`).join(' '),
    `harness ${megabytes(process.memoryUsage().heapUsed)} MB of ${megabytes(process.memoryUsage.rss())}`,
    `${judge.violated} violations`
  ].join('; ')
}

function megabytes (bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
