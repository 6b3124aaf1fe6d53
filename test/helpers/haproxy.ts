import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import { findClosedPort } from './closed-port.ts'

export interface BalancedServer { port: number, adminPort: number }

/**
 * Starts a real HAProxy in front of gateways on loopback, with the health checks that docs/guides/operating.md describes. Ends with
 * the test.
 */
export async function startHaproxy (t: Test, servers: BalancedServer[]): Promise<{ url: string, log: () => string }> {
  const port = await findClosedPort()
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-haproxy-'))
  const file = join(folder, 'haproxy.cfg')
  await writeFile(file, `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:${port}
  default_backend gateways
backend gateways
  option httpchk GET /readyz
  default-server check inter 1s fall 2 rise 1
${servers.map(({ port, adminPort }, index) => `  server g${index} 127.0.0.1:${port} port ${adminPort}\n`).join('')}`)
  let log = ''
  const haproxy = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let failure: Error | null = null
  haproxy.on('error', () => { failure = new Error('This test needs HAProxy: install haproxy (Debian: apt-get install haproxy)') })
  for (const output of [haproxy.stdout, haproxy.stderr]) output.on('data', chunk => { log += String(chunk) })
  t.teardown(async () => {
    await rm(folder, { recursive: true })
    if (haproxy.exitCode !== null || haproxy.pid === undefined) return
    haproxy.kill('SIGKILL')
    await once(haproxy, 'exit')
  })
  while (!await accepts(port)) {
    if (failure !== null) throw failure
    if (haproxy.exitCode !== null) throw new Error(`haproxy ended: ${log}`)
    await wait(20)
  }
  return { url: `http://127.0.0.1:${port}`, log: () => log }
}

async function accepts (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return await once(socket, 'connect').then(() => true, () => false).finally(() => { socket.destroy() })
}
