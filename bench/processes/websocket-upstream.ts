import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { cpuTime, serveParent } from './child.ts'

/** An upstream that returns each message. It knows unfragmented text of less than 126 bytes only, so that it costs less than a proxy. */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const headBytes = 6
const text = 0x81

let open = 0

const server = createServer((_request, response) => { response.writeHead(426).end() })

server.on('upgrade', (request, socket: Duplex) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${acceptSuffix}`).digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  open++
  // Node leaves its side of a server's connection open when the other one has ended.
  socket.on('error', () => {}).on('end', () => { socket.destroy() }).on('close', () => { open-- })
  echo(socket)
})

function echo (socket: Duplex): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (piece: Buffer) => {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    for (let frame = firstFrame(rest); frame !== null; frame = firstFrame(rest)) {
      if (frame[0] !== text) {
        socket.destroy()
        return
      }
      rest = rest.subarray(frame.length)
      socket.write(unmask(frame))
    }
  })
}

/** Returns the first frame; null if it is incomplete. */
function firstFrame (bytes: Buffer): Buffer | null {
  const length = headBytes + (bytes[1] ?? Infinity) - 0x80
  return bytes.length < length ? null : bytes.subarray(0, length)
}

function unmask (frame: Buffer): Buffer {
  const answer = Buffer.allocUnsafe(frame.length - 4)
  answer[0] = text
  answer[1] = frame.length - headBytes
  for (let at = headBytes; at < frame.length; at++) answer[at - 4] = frame[at]! ^ frame[2 + (at - headBytes) % 4]!
  return answer
}

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  serveParent({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }, { cpu: cpuTime, open: () => open })
})
