import { once } from 'node:events'
import type { Redis } from 'ioredis'
import { primariesOf, type RedisClient } from './client.ts'

const turnMs = 400
const patientTurns = 4

/**
 * A network may fail below a connection without a packet that says so. After a call that failed or timed out, each connection gets
 * a PING, and a connection that stays silent is replaced. Turns are counted instead of time: when this process was stalled, the
 * expired timer is one turn, and the waiting answer is read before the next one. The client's own limit (`socketTimeout`) would end
 * a working connection then.
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
  // A client that is not ready has itself sent a request already. A rejection means that the connection has ended, by itself or
  // here.
  await (connection.status === 'ready' ? connection.ping() : Promise.race([once(connection, 'ready'), once(connection, 'close')])).catch(() => {})
  clearInterval(timer)
}
