import type { ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { adminToken } from '../helpers/admin.ts'
import { signIn } from '../helpers/build-gateway.ts'
import { startPortcullis, untilTrue, writeConfig, type GatewayProcess } from '../helpers/portcullis.ts'
import { closeOf, openSocket, startSocketUpstream } from '../helpers/sockets.ts'
import { SteadyLoad, echo } from '../helpers/steady-load.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * Gateways are replaced, one after another, while clients go on asking. A request that reached one is answered by it: a client that was
 * let go or refused a connection goes to another gateway, and sees no other failure, also when its request was on its way at the moment.
 */

interface Replaceable { start (): Promise<GatewayProcess & { admin: string }> }

/** Gateways from one configuration, each with a listener for operators of its own. */
async function prepare (t: Test, args: string[], more: object): Promise<Replaceable> {
  const { config } = await writeConfig(t, {
    log: { level: 'warn' },
    admin: { host: '127.0.0.1', port: '${ADMIN_PORT}', token: adminToken }, // eslint-disable-line no-template-curly-in-string
    ...more
  })
  return {
    async start () {
      const port = await findClosedPort()
      const gateway = await startPortcullis(t, config, { args, env: { ADMIN_PORT: String(port) } })
      return { ...gateway, admin: `http://127.0.0.1:${port}` }
    }
  }
}

const isReady = async (admin: string): Promise<boolean> => (await fetch(`${admin}/readyz`)).status === 200

async function echoing (t: Test): Promise<object> {
  return { upstreams: [{ prefix: '/up', target: (await startUpstream(t, echo)).url, audience: 'up' }] }
}

/** For gateways that are started with these arguments. */
export function testDrain (t: Test, { args = [], rounds }: { args?: string[], rounds: number }): void {
  t.test('clients on kept connections lose nothing while gateways are replaced', async t => {
    const { start } = await prepare(t, args, { shutdown: { delay: '0s', timeout: '20s' }, ...await echoing(t) })
    const gateways = [await start(), await start()]
    const { cookie } = await signIn(gateways[0]!.url)
    const load = new SteadyLoad({ addresses: () => gateways.map(({ url }) => url), headers: { cookie }, clients: 12 })

    for (let round = 0; round < rounds; round++) {
      gateways.push(await start())
      const [old] = gateways
      const { answered } = load.count
      await untilTrue(async () => load.count.answered > answered + 50, 20)
      t.match(await old!.end('SIGTERM'), { code: 0, stderr: '' })
      gateways.shift()
    }
    await load.stop()

    t.same(load.failures, [])
    t.ok(load.count['let go'] > 0, 'clients were told to let go')
    t.comment(load.count)
  })

  t.test('clients with a connection a request lose nothing while gateways are replaced, when readiness keeps them away', async t => {
    const { start } = await prepare(t, args, { shutdown: { delay: '2s', timeout: '20s' }, ...await echoing(t) })
    const gateways = [await start(), await start()]
    const { cookie } = await signIn(gateways[0]!.url)
    const load = new SteadyLoad({ addresses: () => gateways.map(({ url }) => url), headers: { cookie }, keepAlive: false })

    const next = await start()
    await untilTrue(async () => await isReady(next.admin), 20)
    gateways.push(next)
    const [old] = gateways
    old!.signal('SIGTERM')
    await untilTrue(async () => !await isReady(old!.admin), 20)
    t.equal((await fetch(`${old!.url}/up?nonce=still`, { headers: { cookie } })).status, 200, 'it serves on')
    gateways.shift()
    t.match(await old!.ended, { code: 0, stderr: '' })
    await load.stop()

    t.same(load.failures, [])
    t.equal(load.count.refused, 0)
    t.comment(load.count)
  })

  t.test('a gateway that ends tells WebSockets, cuts event streams, and lets a download end', async t => {
    const downloads: ServerResponse[] = []
    const live = await startSocketUpstream(t)
    const up = await startUpstream(t, (request, response) => {
      request.resume()
      if (request.url === '/up/events') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      else downloads.push(response.writeHead(200, { 'content-length': 8 }))
      response.write('begun')
    })
    const { start } = await prepare(t, args, {
      shutdown: { delay: '0s', timeout: '20s' },
      upstreams: [{ prefix: '/live', target: live.url, audience: 'live', websocket: true }, { prefix: '/up', target: up.url, audience: 'up' }]
    })
    const gateway = await start()
    const { cookie } = await signIn(gateway.url)
    const sockets = await Promise.all([1, 2].map(async () => await openSocket(t, gateway.url.replace('http', 'ws') + '/live', [], { cookie })))
    const [events, download] = await Promise.all(['/up/events', '/up/file'].map(async path => await fetch(gateway.url + path, { headers: { cookie } })))

    const closed = Promise.all(sockets.map(async socket => await closeOf(socket)))
    gateway.signal('SIGTERM')
    t.match(await closed, [{ code: 1001 }, { code: 1001 }])
    await t.rejects(events!.text(), 'cut, not ended')
    downloads[0]!.end('end')

    t.equal(await download!.text(), 'begunend')
    t.match(await gateway.ended, { code: 0, stderr: '' })
  })
}
