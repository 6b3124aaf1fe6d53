import type { Socket } from 'node:net'
import { buildConnector } from 'undici'

const unheard = new WeakSet<object>()

/**
 * Returns whether a reused connection ended with this error before it delivered a byte for its current request. An upstream that closes an
 * idle connection loses a request in this way without reading it.
 */
export function endedUnheard (error: object): boolean {
  return unheard.has(error)
}

/** Creates connections whose errors `endedUnheard` can judge. This costs one read of a counter for each write to them. */
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

/** Watches the writes to a connection. A request without a body is one write. */
function watch (socket: Socket): void {
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean
  let writes = 0
  let readBefore = 0
  socket.write = (...given: unknown[]) => {
    writes++
    readBefore = socket.bytesRead
    return write(...given)
  }
  // This listener precedes undici's own, which passes the error on.
  socket.on('error', error => { if (writes > 1 && socket.bytesRead === readBefore) unheard.add(error) })
}
