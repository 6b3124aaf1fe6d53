import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Finds a loopback port without a listener. It is below the ephemeral ports, so the kernel assigns it to no other test meanwhile. */
export async function findClosedPort (): Promise<number> {
  const server = createServer()
  const port = randomInt(10_000, 32_768)
  server.listen(port, '127.0.0.1')
  const isFree = await once(server, 'listening').then(() => true, () => false)
  if (!isFree) return await findClosedPort()
  server.close()
  await once(server, 'close')
  return port
}
