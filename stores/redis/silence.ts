import { once } from 'node:events'
import type { Redis } from 'ioredis'
import { primariesOf, type RedisClient } from './client.ts'

const turnMs = 400
const patientTurns = 4

/**
 * Below a connection everything may be gone without a packet that says so. After a call that failed or was not answered in time each
 * connection is asked by itself, and one that stays silent is replaced. Turns are counted and not time: when this process stood still,
 * the timer that is over is one turn, and the answer that waits in the socket comes before the next. The client's own limit
 * (`socketTimeout`) would end a good connection then.
 */
export function createSilenceCheck (redis: RedisClient): () => void {
  const asked = new WeakSet<Redis>()
  return () => {
    for (const connection of primariesOf(redis)) {
      if (asked.has(connection) || !['connect', 'ready'].includes(connection.status)) continue
      asked.add(connection)
      void ask(connection).finally(() => asked.delete(connection))
    }
  }
}

async function ask (connection: Redis): Promise<void> {
  let turns = 0
  const timer = setInterval(() => { if (++turns === patientTurns) connection.disconnect(true) }, turnMs).unref()
  // Before it is ready the client itself has asked something. Rejected: it has ended by itself, or was ended here.
  await (connection.status === 'ready' ? connection.ping() : Promise.race([once(connection, 'ready'), once(connection, 'close')])).catch(() => {})
  clearInterval(timer)
}
