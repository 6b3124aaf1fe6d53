import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'

/** What a connection does with what it carries. */
export interface Fault {
  /** Each piece is late by this much, and by up to `jitterMs` more; their order stays. */
  delayMs?: number
  jitterMs?: number
  /** Nothing is carried any more, in either direction, and nobody is told. */
  silent?: boolean
}

export interface FaultProxy {
  port: number
  /** Connections that are open. */
  readonly connections: number
  /** Connections that were ever made. */
  readonly accepted: number
  /** Pieces that came back from the server: an answer each, where one is asked for at a time. */
  readonly replies: number
  /** From now on, for connections that are open and for those to come; nothing: all is well again. */
  inject (fault?: Fault): void
  /** Ends every connection with a reset. */
  reset (): void
  /** The k-th reply from now on (1: the next) is not delivered, and its connection is reset. */
  dropReply (k: number): void
  /** Every connection is told that the client has nothing more to say, while the client goes on. */
  halfClose (): void
  /** New connections are refused, and those that are there are reset; or welcome again. */
  refuse (isRefusing: boolean): Promise<void>
}

interface Pair { client: Socket, server: Socket }

/** A TCP proxy on loopback between a client and a server, that can be told to misbehave. Ends with the test. */
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
      // What is lost on one side is lost on the other; in silence nobody is told.
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

/** Every piece in its turn: one that is delayed holds up those behind it, as a network does. */
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
