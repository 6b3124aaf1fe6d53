import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A fault of a connection. */
export interface Fault {
  /** Delays each chunk by this much, and by up to `jitterMs` more; their order is kept. */
  delayMs?: number
  jitterMs?: number
  /** Drops everything in both directions, without closing the connection. */
  silent?: boolean
}

export interface FaultProxy {
  port: number
  /** The number of open connections. */
  readonly connections: number
  /** The number of connections that were ever accepted. */
  readonly accepted: number
  /** The number of chunks from the server: one a response, when requests are sent one at a time. */
  readonly replies: number
  /** Applies a fault to open and future connections; without an argument, ends all faults. */
  inject (fault?: Fault): void
  /** Resets every connection. */
  reset (): void
  /** Drops the k-th reply from now on (1: the next), and resets its connection. */
  dropReply (k: number): void
  /** Half-closes every connection to the server, while the client side stays open. */
  halfClose (): void
  /** Refuses new connections and resets the open ones, or accepts connections again. */
  refuse (isRefusing: boolean): Promise<void>
}

interface Pair { client: Socket, server: Socket }

/** Starts a TCP proxy on loopback between a client and a server, which can inject faults. Ends with the test. */
export async function startFaultProxy (t: Pick<Test, 'teardown'>, targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>()
  let fault: Fault = {}
  let dropAfter = Infinity
  let accepted = 0
  let replies = 0

  const accept = (client: Socket): void => {
    accepted++
    const pair: Pair = { client, server: connect(targetPort, '127.0.0.1') }
    pairs.add(pair)
    carry(client, pair.server, () => fault)
    carry(pair.server, client, () => fault, () => {
      replies++
      if (--dropAfter > 0) return true
      dropAfter = Infinity
      end(pair)
      return false
    })
    for (const socket of [client, pair.server]) {
      socket.setNoDelay(true)
      socket.on('error', () => {})
      // A connection that is lost on one side is lost on the other; a silent fault closes neither.
      socket.on('close', () => { if (fault.silent !== true) end(pair) })
    }
  }
  const end = (pair: Pair): void => {
    pairs.delete(pair)
    pair.client.resetAndDestroy()
    pair.server.resetAndDestroy()
  }
  const reset = (): void => { for (const pair of [...pairs]) end(pair) }

  let server = await listen(accept, 0)
  const { port } = server.address() as AddressInfo
  t.teardown(() => {
    server.close()
    reset()
  })
  return {
    port,
    get connections () { return pairs.size },
    get accepted () { return accepted },
    get replies () { return replies },
    inject: (next = {}) => { fault = next },
    reset,
    dropReply: k => { dropAfter = k },
    halfClose: () => { for (const { server } of pairs) server.end() },
    async refuse (isRefusing) {
      if (!isRefusing) {
        server = await listen(accept, port)
        return
      }
      const closed = once(server, 'close')
      server.close()
      reset()
      await closed
    }
  }
}

/** Carries the chunks in order: a delayed chunk delays those behind it, as a network does. */
function carry (from: Socket, to: Socket, faultOf: () => Fault, admit: () => boolean = () => true): void {
  let turn = Promise.resolve()
  from.on('data', piece => {
    const { silent = false, delayMs = 0, jitterMs = 0 } = faultOf()
    if (silent || !admit()) return
    const lateMs = delayMs + Math.random() * jitterMs
    if (lateMs === 0) {
      turn = turn.then(() => { to.write(piece) })
      return
    }
    const atMs = performance.now() + lateMs
    turn = turn.then(async () => {
      await new Promise(resolve => setTimeout(resolve, Math.max(0, atMs - performance.now())))
      to.write(piece)
    })
  })
  from.on('end', () => { if (faultOf().silent !== true) to.end() })
}

async function listen (accept: (client: Socket) => void, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, accept).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}
