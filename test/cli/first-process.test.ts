import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { until } from '../helpers/build-app.ts'
import { compileCache } from '../helpers/compile-cache.ts'
import { writeConfig } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

const cli = join(import.meta.dirname, '..', '..', 'cli.ts')

// The first process of a namespace is to the kernel what the first process of a container is; to make one needs root.
const inNamespace = ['--pid', '--fork', '--mount-proc', '--kill-child']
const skip = spawnSync('unshare', [...inNamespace, 'true']).status === 0 ? false : 'unshare is not allowed here'

/** Runs `portcullis start` as the first process of a namespace. */
async function startFirst (t: Test, config: string, args: string[] = []) {
  const parent = spawn('unshare', [...inNamespace, process.execPath, cli, 'start', '--config', config, ...args], { env: { PATH: process.env['PATH'] ?? '', ...compileCache }, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [parent.stdout, parent.stderr]) stream.setEncoding('utf8').on('data', chunk => { printed += String(chunk) })
  const ended = once(parent, 'close').then(([code]) => code as number | null)
  t.teardown(async () => {
    parent.kill('SIGKILL')
    await ended
  })
  let pid = 0
  await until(async () => {
    const [child = ''] = (await readFile(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8')).split(' ')
    if (child === '' || !(await readFile(`/proc/${child}/cmdline`, 'utf8')).includes('cli.ts')) return false
    pid = Number(child)
    return true
  })
  return { signal: (signal: 'SIGTERM' | 'SIGINT') => { process.kill(pid, signal) }, printed: () => printed, ended }
}

t.test('as the first process of a container, a signal before it listens ends it', { skip }, async t => {
  for (const [signal, code] of [['SIGTERM', 143], ['SIGINT', 130]] as const) {
    const config = join(t.testdir({}), 'never.config.ts')
    await writeFile(config, "process.stdout.write('loading\\n')\nawait new Promise(resolve => setTimeout(resolve, 1e9))\nexport default {}\n")
    const gateway = await startFirst(t, config)
    await until(() => gateway.printed().includes('loading'))

    gateway.signal(signal)

    t.equal(await gateway.ended, code, signal)
  }
})

t.test('as the first process of a container, a second signal while it drains ends it', { skip }, async t => {
  for (const args of [[], ['--workers', '2']]) {
    const never = await startUpstream(t, request => { request.resume() })
    const { config } = await writeConfig(t, { log: { level: 'info' }, shutdown: { timeout: '60s' }, upstreams: [{ prefix: '/never', target: never.url, access: 'public' }] })
    const gateway = await startFirst(t, config, args)
    await until(() => gateway.printed().includes('listening on'))
    const [, url = ''] = /listening on (\S+)/.exec(gateway.printed()) ?? []
    fetch(`${url}/never`).catch(() => {})
    await until(() => never.requests.length === 1)

    gateway.signal('SIGTERM')
    await until(() => gateway.printed().includes('"msg":"draining"'))
    gateway.signal('SIGTERM')

    t.equal(await gateway.ended, 143, args.join(' '))
  }
})
