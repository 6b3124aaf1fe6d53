import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { adminToken } from './admin.ts'
import { startPortcullis, writeConfig, type ConfigFolder, type GatewayProcess } from './portcullis.ts'
import { findClosedPort } from './closed-port.ts'
import { startUpstream } from './upstream.ts'

export interface WorkersGateway extends GatewayProcess, ConfigFolder { admin: string, workers (): Promise<number[]> }

/** Starts a gateway of several processes with an operators' listener, an upstream at /up, and one log line for each request. */
export async function startWorkers (t: Test, count: number, more: object = {}): Promise<WorkersGateway> {
  const up = await startUpstream(t)
  const port = await findClosedPort()
  const folder = await writeConfig(t, {
    admin: { host: '127.0.0.1', port, token: adminToken },
    log: { level: 'info', access: true },
    upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }],
    ...more
  })
  const gateway = await startPortcullis(t, folder.config, { args: ['--workers', String(count)] })
  return { ...gateway, ...folder, admin: `http://127.0.0.1:${port}`, workers: async () => await childrenOf(gateway.pid) }
}

async function childrenOf (pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return children.split(' ').filter(child => child !== '').map(Number)
}

/** Resolves to the status of a GET. It uses a separate connection, so that the next one may reach another worker. */
export async function status (url: string, headers: Record<string, string>): Promise<number> {
  const asked = request(url, { headers, agent: new Agent({ keepAlive: false }) }).end()
  const [response] = await once(asked, 'response')
  await text(response)
  return response.statusCode as number
}

export async function statuses (url: string, headers: Record<string, string>, count = 16): Promise<Set<number>> {
  return new Set(await Promise.all(Array.from({ length: count }, async () => await status(url, headers))))
}
