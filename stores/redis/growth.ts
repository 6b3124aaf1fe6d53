import { setTimeout as sleep } from 'node:timers/promises'
import { duplicateForBlocking, type RedisClient } from './client.ts'
import { retryStrategy } from './options.ts'

const blockMs = 5000
const entriesAtOnce = 100

type StreamReply = Awaited<ReturnType<RedisClient['xread']>>

export interface Growth {
  subscribe (listener: () => void): () => void
  end (): void
}

/** Notifies listeners when a stream has grown. It has a separate connection while there is a listener. */
export function createGrowth (redis: RedisClient, stream: string): Growth {
  const listeners = new Set<() => void>()
  let stop: (() => void) | null = null
  const notify = (): void => { for (const listener of listeners) listener() }
  function end (): void {
    stop?.()
    stop = null
    listeners.clear()
  }
  return {
    end,
    subscribe (listener) {
      // A listener that subscribes twice has two subscriptions.
      const own = (): void => listener()
      listeners.add(own)
      stop ??= watch(redis, stream, notify)
      return () => {
        if (listeners.delete(own) && listeners.size === 0) end()
      }
    }
  }
}

function watch (redis: RedisClient, stream: string, notify: () => void): () => void {
  const connection = duplicateForBlocking(redis, blockMs + 2000)
  // An unhandled 'error' event would be printed for each failed attempt to connect; the loop handles failures itself.
  connection.on('error', () => {})
  const stopped = new AbortController()
  void follow(connection, stream, notify, stopped.signal)
  return () => {
    stopped.abort()
    connection.disconnect()
  }
}

/**
 * Notifies once of all entries that arrived together. The tail is read at the start and after each silence, because a log that was
 * lost and restarts would never pass the old tail.
 */
async function follow (connection: RedisClient, stream: string, notify: () => void, stopped: AbortSignal): Promise<void> {
  let told: string | null = null
  for (let failures = 0; !stopped.aborted;) {
    try {
      let tail = (await connection.xrevrange(stream, '+', '-', 'COUNT', 1))[0]?.[0] ?? '0-0'
      if (tail !== told) notify()
      for (let grown = await readAfter(connection, stream, tail); grown !== null; grown = await readAfter(connection, stream, tail)) {
        tail = grown
        notify()
      }
      told = tail
      failures = 0
    } catch {
      await sleep(retryStrategy(++failures), undefined, { signal: stopped }).catch(() => {})
    }
  }
}

/** Waits for entries after `tail`; resolves to the id of the last one, or to null when none arrived. */
async function readAfter (connection: RedisClient, stream: string, tail: string): Promise<string | null> {
  const grown: StreamReply = await connection.xread('COUNT', entriesAtOnce, 'BLOCK', blockMs, 'STREAMS', stream, tail)
  return grown?.[0]?.[1].at(-1)?.[0] ?? null
}
