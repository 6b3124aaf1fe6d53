import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DCLinter } from 'dclint'
import dockerfilelint from 'dockerfilelint'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { addUser } from '../../users/edit-users.ts'
import { startAdministered } from '../helpers/admin.ts'
import { post } from '../helpers/build-gateway.ts'
import { runMain } from '../helpers/portcullis.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { findClosedPort } from '../helpers/closed-port.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = join(root, 'examples', 'container')
const read = async (...path: string[]): Promise<string> => await readFile(join(...path), 'utf8')

interface Service { image: string, command: string[], volumes: string[], environment: Record<string, string>, ports?: string[], networks: string[] }
interface Compose { services: Record<'gateway' | 'redis' | 'orders', Service & Record<string, unknown>>, networks: Record<string, { internal?: boolean } | null> }

const dockerfile = await read(folder, 'Dockerfile')
const compose = parse(await read(folder, 'compose.yaml')) as Compose
const { engines, bin, scripts } = JSON.parse(await read(root, 'package.json')) as { engines: { node: string }, bin: { portcullis: string }, scripts: Record<string, string> }

/** Instructions of the Dockerfile, none of which is longer than a line. */
const instructions = dockerfile.split('\n').filter(line => line !== '' && !line.startsWith('#')).map(line => ({ name: line.slice(0, line.indexOf(' ')), rest: line.slice(line.indexOf(' ') + 1) }))
const argumentsOf = (name: string): string[] => instructions.filter(instruction => instruction.name === name).map(({ rest }) => rest)
const lastStage = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))
const healthcheck = JSON.parse(/CMD (\[.*\])$/.exec(argumentsOf('HEALTHCHECK')[0] ?? '')?.[1] ?? '[]') as [string, ...string[]]

/** What a shell's environment has when compose is started, and what the gateway then has. */
const shell: Record<string, string> = { PORTCULLIS_SECRET: randomBytes(32).toString('base64url'), ADMIN_TOKEN: 'a-token-of-operators' }
const environment = Object.fromEntries(Object.entries(compose.services.gateway.environment).map(([name, value]) => [name, interpolate(value)]))

/** `${NAME:?message}` and `${NAME:-default}`, as compose does. */
function interpolate (value: string): string {
  return value.replace(/\$\{(\w+):([?-])([^}]*)\}/g, (_whole, name: string, kind: string, rest: string) => {
    if (shell[name] === undefined && kind === '?') throw new Error(`${name}: ${rest}`)
    return shell[name] ?? rest
  })
}

t.test('the linters have nothing to say of the container files', async t => {
  const linter = new DCLinter({ rules: {}, quiet: false, debug: false, exclude: [] })
  const linted = linter.lintFiles([join(folder, 'compose.yaml')], false) as Array<{ messages: Array<{ rule: string, line: number }> }>

  t.same(linted.map(({ messages }) => messages.map(({ rule, line }) => `${rule} ${line}`)), [[]])
  t.same(dockerfilelint.run(folder, dockerfile).map(({ rule, line }) => `${rule} ${line}`), [])
  t.not(dockerfilelint.run(folder, dockerfile.replace('node:26-bookworm-slim AS build', 'node AS build')).length, 0, 'the linter looks')
})

t.test('the image is of one Node that the package accepts, and not run by root', async t => {
  const images = argumentsOf('FROM').map(rest => rest.split(' ')[0])
  const [image = ''] = images
  t.equal(new Set(images).size, 1)
  t.match(image, /^node:\d+-bookworm-slim$/)
  t.ok(Number(/:(\d+)/.exec(image)![1]) > Number(/\d+/.exec(engines.node)![0]), image)
  t.equal(compose.services.orders.image, image)

  const users = lastStage.filter(({ name }) => name === 'USER').map(({ rest }) => rest)
  t.same(users, ['node'])
  t.notOk(lastStage.slice(lastStage.findIndex(({ name }) => name === 'USER')).some(({ name }) => name === 'RUN' || name === 'COPY'))
})

t.test('the image copies and runs what is there', async t => {
  for (const source of argumentsOf('COPY').filter(rest => !rest.startsWith('--from=')).flatMap(rest => rest.split(' ').slice(0, -1))) await t.resolves(stat(join(root, source)), source)
  for (const [, script = ''] of argumentsOf('RUN').join('\n').matchAll(/npm run (\S+)/g)) t.ok(script in scripts, script)
  t.same(JSON.parse(argumentsOf('ENTRYPOINT')[0]!), ['node', '--disable-sigusr1', `/app/${bin.portcullis}`])
  const [command = '', option, config = ''] = JSON.parse(argumentsOf('CMD').at(-1)!) as string[]
  t.same([command, option], ['start', '--config'])
  await t.resolves(stat(join(folder, 'config', config.replace('/etc/portcullis/', ''))))
  t.same(argumentsOf('STOPSIGNAL'), ['SIGTERM'])
})

t.test('the health check of the image tells whether a gateway is ready', async t => {
  const { admin, app } = await startAdministered(t)
  const exitCode = async (port: string): Promise<number> => {
    const [file, ...args] = healthcheck
    t.equal(file, 'node')
    return await new Promise(resolve => { execFile(process.execPath, args.map(arg => arg.replace(':9090/', `:${port}/`)), error => { resolve(Number(error?.code ?? 0)) }) })
  }
  const { port } = new URL(admin)

  t.equal(await exitCode(port), 0)
  app.portcullis.health.leave()
  t.equal(await exitCode(port), 1)
  t.equal(await exitCode(String(await findClosedPort())), 1)
})

t.test('compose hands secrets through, keeps the admin port in and lets nobody but the gateway reach the store', async t => {
  const { services: { gateway, redis, orders }, networks } = compose
  for (const secret of ['PORTCULLIS_SECRET', 'ADMIN_TOKEN']) t.match(gateway.environment[secret], new RegExp(`^\\$\\{${secret}:\\?`))
  t.same(gateway.ports, ['127.0.0.1:8080:8080'])
  t.same([redis.ports, orders.ports], [undefined, undefined])
  t.same(Object.entries(compose.services).filter(([, { networks }]) => networks.includes('store')).map(([name]) => name), ['gateway', 'redis'])
  t.same([networks['store']?.internal, networks['services']?.internal], [true, true])
  for (const { read_only: isReadOnly } of Object.values(compose.services)) t.equal(isReadOnly, true)
  t.same([gateway['cap_drop'], gateway['security_opt'], gateway['privileged']], [['ALL'], ['no-new-privileges:true'], undefined])
})

t.test('portcullis check accepts the configurations that the container mounts', async t => {
  // As the folder is when it is mounted: with users, and the volume where the embedded store is.
  const mounted = t.testdir({ volume: {} })
  await addUser(join(mounted, 'users.json'), 'ada', 'a long passphrase')
  for (const [name, store] of [['gateway.yaml', 'redis'], ['sqlite.yaml', 'sqlite']] as const) {
    await writeFile(join(mounted, name), (await read(folder, join('config', name))).replace('/var/lib/portcullis', join(mounted, 'volume')))
    const { code, stdout, stderr } = await runMain(['check', '--config', join(mounted, name)], { env: environment })

    t.same([code, stderr], [0, ''], name)
    t.match(stdout, new RegExp(`store +${store}`))
    t.match(stdout, /admin +127\.0\.0\.1:9090/)
    t.match(stdout, '/orders → http://orders:3000')
  }
  const { shutdown } = await loadConfig(join(folder, 'config', 'gateway.yaml'), environment)
  t.ok(shutdown.delayMs + shutdown.timeoutMs < parseInt(String(compose.services.gateway['stop_grace_period'])) * 1000)
})

t.test('the gateway of compose works with Redis as compose starts it, and with its service', async t => {
  const [program, ...flags] = compose.services.redis.command
  t.equal(program, 'redis-server')
  const redis = await startRedis(t, flags)
  const orders = await startOrders(t)
  const config = await loadConfig(join(folder, 'config', 'gateway.yaml'), { ...environment, REDIS_URL: redis.url, ORDERS_URL: orders.url })
  const users = join(t.testdir({}), 'users.json')
  await addUser(users, 'ada', 'a long passphrase', { scopes: ['orders:read'] })
  const app = await composeGateway({ ...config, identity: { type: 'users', file: users }, admin: { ...config.admin!, port: 0 }, shutdown: { delayMs: 0, timeoutMs: 1000 } })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`

  const signedIn = await post(`${url}/auth/login`, { username: 'ada', password: 'a long passphrase' })
  t.equal(signedIn.status, 200)
  const [cookie = ''] = signedIn.headers.getSetCookie()[0]!.split(';')
  t.match(await (await fetch(`${url}/orders/42`, { headers: { cookie } })).json(), { orders: '/42', claims: { sub: 'ada', aud: 'orders' } })
  await app.close()
  t.same(await orders.end(), [0, null], 'SIGTERM ends the service')
})

async function startOrders (t: Test): Promise<{ url: string, end: () => Promise<unknown> }> {
  const service = spawn(process.execPath, [join(folder, 'orders.mjs')], { env: { HOST: '127.0.0.1', PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(service, 'exit')
  t.teardown(() => { service.kill('SIGKILL') })
  const [line] = await once(service.stdout, 'data') as [Buffer]
  const url = `http://127.0.0.1:${/port (\d+)/.exec(String(line))![1]}`
  return {
    url,
    end: async () => {
      service.kill('SIGTERM')
      return await ended
    }
  }
}

t.test('the systemd unit starts what there is', async t => {
  const unit = await read(root, 'examples', 'systemd', 'portcullis.service')
  const commands = [...unit.matchAll(/^ExecStart(?:Pre)?=(\S+) (?:--\S+ )*(\S+) (.+)$/gm)].map(([, , file = '', args = '']) => ({ file, args }))

  t.same(commands.map(({ file }) => file.replace(/.*node_modules\/portcullis\//, '')), [bin.portcullis, bin.portcullis])
  t.same(commands.map(({ args }) => args.split(' ').slice(0, 2)), [['check', '--config'], ['start', '--config']])
})
