import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { startGateway, type StartOptions, type TestGateway } from './build-gateway.ts'

export const adminToken = 'token-of-the-operators'
export const asAdmin = { authorization: `Bearer ${adminToken}` }

/** Starts a whole gateway with its operators' listener, each on a free loopback port. */
export async function startAdministered (t: Test, overrides: Partial<ConfigInput> = {}, options: StartOptions = {}): Promise<TestGateway & { admin: string }> {
  const gateway = await startGateway(t, { admin: { host: '127.0.0.1', port: 0, token: adminToken }, ...overrides }, options)
  const { port } = gateway.app.portcullis.admin.server.address() as AddressInfo
  return { ...gateway, admin: `http://127.0.0.1:${port}` }
}

export interface Scraped {
  text: string
  /**
   * Returns the value of a series as it is written, such as `portcullis_refresh_total{outcome="rotated"}`; undefined when it does
   * not exist.
   */
  value (series: string): number | undefined
}

/** Resolves to the content of `/metrics`, line by line. */
export async function scrape (admin: string): Promise<Scraped> {
  const text = await (await fetch(`${admin}/metrics`)).text()
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  const values = new Map(lines.map(line => {
    const at = line.lastIndexOf(' ')
    return [line.slice(0, at), Number(line.slice(at + 1))] as const
  }))
  return { text, value: series => values.get(series) }
}
