import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { cpuTime, serveParent } from './child.ts'
import { HeadReader, requestHead, statusOf } from './raw-http.ts'

/* Many requests at once, each on a separate connection, however long their answers take. */

export interface WaitingRequests {
  url: string
  path: string
  /** The headers of the clients, in turn. */
  clients: Array<Record<string, string>>
  count: number
}

const atOnce = 100

let sockets: Socket[] = []
let answers: Record<string, number> = {}

/** Opens the connections in groups, so that they fit into the queue of a server that accepts slowly. Resolves when all are open. */
async function send ({ url, path, clients, count }: WaitingRequests): Promise<void> {
  end()
  const { hostname, port, host } = new URL(url)
  const heads = clients.map(headers => requestHead('GET', path, { host, ...headers }))
  for (let from = 0; from < count; from += atOnce) {
    const group = Array.from({ length: Math.min(atOnce, count - from) }, (_, index) => ask(Number(port), hostname, heads[(from + index) % heads.length]!))
    await Promise.all(group.map(async socket => { await once(socket, 'connect') }))
  }
}

/** A connection ends with an answer other than 200, as that of a client who gives up. */
function ask (port: number, host: string, head: string): Socket {
  const socket = connect({ port, host })
  const reader = new HeadReader()
  const counted = answers
  const count = (answer: string): void => { counted[answer] = (counted[answer] ?? 0) + 1 }
  sockets.push(socket)
  socket.on('error', error => { count(error.message) })
  socket.on('data', (piece: Buffer) => {
    const read = reader.read(piece)
    if (read === null) return
    const status = statusOf(read.head)
    count(String(status))
    socket.removeAllListeners('data').resume()
    if (status !== 200) socket.destroy()
  })
  socket.write(head)
  return socket
}

function end (): void {
  for (const socket of sockets) socket.destroy()
  sockets = []
  answers = {}
}

serveParent({}, { cpu: cpuTime, send, end, answers: () => answers })
