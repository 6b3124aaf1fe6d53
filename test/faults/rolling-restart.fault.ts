import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { adminToken } from '../helpers/admin.ts'
import { signIn } from '../helpers/build-gateway.ts'
import { startHaproxy } from '../helpers/haproxy.ts'
import { startPortcullis, untilTrue, writeConfig, type GatewayProcess } from '../helpers/portcullis.ts'
import { SteadyLoad, echo } from '../helpers/steady-load.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * Two gateways behind a real load balancer are replaced in turn, as docs/guides/operating.md says, under a steady load of GETs and POSTs that
 * nobody sends twice. Not one of them fails.
 */

t.setTimeout(300_000)

const rounds = 2

interface Place { port: number, adminPort: number, gateway: GatewayProcess }

async function isReady ({ adminPort }: Place): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${adminPort}/readyz`).then(({ status }) => status === 200, () => false)
}

/** Two places for gateways; one that is started again has the ports of the one before. */
async function preparePlaces (t: Test, args: string[]): Promise<{ places: Place[], start: (place: Omit<Place, 'gateway'>) => Promise<GatewayProcess> }> {
  const up = await startUpstream(t, echo)
  const { config } = await writeConfig(t, {
    listen: { host: '127.0.0.1', port: '${PORT}' }, // eslint-disable-line no-template-curly-in-string
    admin: { host: '127.0.0.1', port: '${ADMIN_PORT}', token: adminToken }, // eslint-disable-line no-template-curly-in-string
    shutdown: { delay: '3s', timeout: '20s' },
    log: { level: 'warn' },
    upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }]
  })
  const start = async ({ port, adminPort }: Omit<Place, 'gateway'>): Promise<GatewayProcess> => await startPortcullis(t, config, { args, env: { PORT: String(port), ADMIN_PORT: String(adminPort) } })
  const places: Place[] = []
  for (let count = 0; count < 2; count++) {
    const place = { port: await findClosedPort(), adminPort: await findClosedPort() }
    places.push({ ...place, gateway: await start(place) })
  }
  return { places, start }
}

for (const [how, args] of [['', []], [' of two workers each', ['--workers', '2']]] as Array<[string, string[]]>) {
  t.test(`no request fails while two gateways${how} behind HAProxy are replaced in turn`, async t => {
    const { places, start } = await preparePlaces(t, args)
    const haproxy = await startHaproxy(t, places)
    await untilTrue(async () => await fetch(`${haproxy.url}/.well-known/jwks.json`).then(({ status }) => status === 200, () => false), 50)
    const { cookie } = await signIn(haproxy.url)
    const loads = [true, false].map(keepAlive => new SteadyLoad({ addresses: () => [haproxy.url], headers: { cookie }, keepAlive }))

    for (let round = 0; round < rounds; round++) {
      for (const place of places) {
        t.match(await place.gateway.end('SIGTERM'), { code: 0, stderr: '' })
        place.gateway = await start(place)
        await untilTrue(async () => await isReady(place), 50)
        // One check later the load balancer knows too.
        await wait(1500)
      }
    }
    await Promise.all(loads.map(async load => { await load.stop() }))

    for (const load of loads) {
      t.same(load.failures, [])
      t.equal(load.count.refused, 0)
      t.comment(load.count)
    }
    const downs = haproxy.log().match(/Server gateways\/g\d is DOWN/g) ?? []
    t.ok(downs.length >= rounds * places.length, 'HAProxy has taken each of them out each time')
  })
}
