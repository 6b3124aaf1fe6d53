import type { Socket } from 'node:net'
import { buildConnector } from 'undici'

const unheard = new WeakSet<object>()

/**
 * Whether a connection that was kept from an earlier request ended with this error before it brought a byte for the next one: so
 * an upstream ends connections that were idle, and a request that it did not read any more is lost with them.
 */
export function endedUnheard (error: object): boolean {
  return unheard.has(error)
}

/** Connections whose errors `endedUnheard` can judge. Costs one counter read for each write to them. */
export function createConnector (options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector(options)
  return (target, callback) => {
    connect(target, (...[error, socket]: Parameters<buildConnector.Callback>) => {
      if (error !== null) callback(error, null)
      else {
        watch(socket)
        callback(null, socket)
      }
    })
  }
}

/** A request without a body is one write. */
function watch (socket: Socket): void {
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean
  let writes = 0
  let readBefore = 0
  socket.write = (...given: unknown[]) => {
    writes++
    readBefore = socket.bytesRead
    return write(...given)
  }
  // Before undici's own, which hands the error on.
  socket.on('error', error => { if (writes > 1 && socket.bytesRead === readBefore) unheard.add(error) })
}
