import { randomInt } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { Breaker } from '../breaker.ts'
import type { RedisClient } from './client.ts'
import { guarded, unavailable } from './deadline.ts'
import type { Shard } from './keys.ts'
import { createSilenceCheck } from './silence.ts'

export type Reply = string | number | null | Reply[]

export interface Scripts {
  /** Runs `<name>.lua`; resolves to its reply without the leading clock. */
  run (name: string, shard: Shard, keys?: string[], args?: Array<string | number>): Promise<Reply[]>
  /** Returns the server's clock in milliseconds, extrapolated from the last reply. */
  nowMs (): number
  /** Stops the scripts: later calls reject. */
  end (): void
}

export interface ScriptsOptions {
  redis: RedisClient
  timeoutMs: number
  clockOffsetMs: () => number
}

type Command = (...args: Array<string | number>) => Promise<Reply[]>

/** Loads the scripts beside this file. ioredis sends a script's digest, and its text when the server does not know it. */
export async function loadScripts ({ redis, timeoutMs, clockOffsetMs }: ScriptsOptions): Promise<Scripts> {
  const commands = new Map<string, Command>()
  for (const [name, lua] of await readScripts()) {
    const command = `portcullis-${name}`
    redis.defineCommand(command, { lua })
    commands.set(name, (redis as unknown as Record<string, Command>)[command]?.bind(redis) as Command)
  }
  const guard = { breaker: new Breaker(), onSilence: createSilenceCheck(redis) }
  let sinceMs = 0
  let ended = false
  return {
    end () { ended = true },
    nowMs: () => Math.floor(performance.now() + sinceMs + clockOffsetMs()),
    async run (name, shard, keys = [], args = []) {
      const command = commands.get(name)
      if (command === undefined) throw new Error(`There is no script ${name}`)
      if (ended) throw unavailable(new Error('the store has been ended'))
      const offset = Math.round(clockOffsetMs())
      const all = [shard.state, shard.log, shard.revocations, ...keys]
      // The random number is the second part of a log id, so that two histories with equal numbers differ.
      const [now, ...reply] = await guarded(guard, () => command(all.length, ...all, offset, randomInt(2 ** 32), shard.prefix, ...args), timeoutMs)
      sinceMs = Number(now) - offset - performance.now()
      return reply
    }
  }
}

/** Returns name and text of every script; `-- include x` stands for the file shared/x.lua. */
async function readScripts (): Promise<Array<[name: string, lua: string]>> {
  const shared = new Map(await readFolder(new URL('./shared/', import.meta.url)))
  const own = await readFolder(new URL('./', import.meta.url))
  return own.map(([name, text]) => [name, text.replace(/^-- include (\S+)$/gm, (_, part: string) => shared.get(part) ?? '')])
}

async function readFolder (folder: URL): Promise<Array<[name: string, text: string]>> {
  const files = (await readdir(folder)).filter(file => file.endsWith('.lua'))
  return Promise.all(files.map(async file => [file.slice(0, -4), await readFile(new URL(file, folder), 'utf8')] as [string, string]))
}
