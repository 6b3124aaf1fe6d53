import type { Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import type { Certificate } from '../helpers/certificate.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { startFront, type Front } from './front.ts'

export interface SecureGateway extends TestGateway { front: Front, origin: string }

export interface SecureOptions extends Omit<Partial<ConfigInput>, 'upstreams'> {
  /** Name that browsers find it by. Default: gate.shop.test. */
  host?: string
  /** URL of what is served at /page, to everybody. Default: a blank page. */
  page?: string
  upstreams?: NonNullable<ConfigInput['upstreams']>
}

/** A gateway of helpers/build-gateway.ts, without /billing, that browsers find behind a front with TLS. `upstreams` are added. */
export async function startSecureGateway (t: Test, authority: Certificate, options: (upstream: { orders: string }) => SecureOptions = () => ({})): Promise<SecureGateway> {
  const orders = await startUpstream(t)
  const { host = 'gate.shop.test', page = await startBlankPage(t), upstreams = [], ...overrides } = options({ orders: orders.url })
  const front = await startFront(t, authority, host)
  const gateway = await startGateway(t, {
    origin: front.origin,
    ...overrides,
    upstreams: [{ prefix: '/page', target: page, access: 'public' }, { prefix: '/orders', target: orders.url, audience: 'orders', scopes: ['orders:read'] }, ...upstreams]
  })
  front.target = gateway.url
  return { ...gateway, orders, front, origin: front.origin }
}

async function startBlankPage (t: Test): Promise<string> {
  const { url } = await startUpstream(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>An application</title>')
  })
  return url
}
