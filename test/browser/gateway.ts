import type { Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import type { Certificate } from '../helpers/certificate.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { startFront, type Front } from './front.ts'

export interface SecureGateway extends TestGateway { front: Front, origin: string }

export const host = 'gate.shop.test'

/** A gateway of helpers/build-gateway.ts that browsers find behind a front with TLS, with a blank public page at /page. */
export async function startSecureGateway (t: Test, authority: Certificate, overrides: (gateway: { orders: string, page: string }) => Partial<ConfigInput> = () => ({})): Promise<SecureGateway> {
  const front = await startFront(t, authority, host)
  const page = await startUpstream(t, (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>An application</title>')
  })
  const orders = await startUpstream(t)
  const { upstreams = [], ...others } = overrides({ orders: orders.url, page: page.url })
  const gateway = await startGateway(t, {
    origin: front.origin,
    upstreams: [{ prefix: '/page', target: page.url, access: 'public' }, { prefix: '/orders', target: orders.url, audience: 'orders', scopes: ['orders:read'] }, ...upstreams],
    ...others
  })
  front.target = gateway.url
  return { ...gateway, orders, front, origin: front.origin }
}
