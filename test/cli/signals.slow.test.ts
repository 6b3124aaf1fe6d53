import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { until } from '../helpers/build-app.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { compileCache } from '../helpers/compile-cache.ts'
import { startPortcullis, writeConfig, type GatewayProcess } from '../helpers/portcullis.ts'
import { startWorkers } from '../helpers/workers.ts'

/*
 * Signals that other programs send without meaning the end of the gateway. SIGUSR1 makes Node open its debugger to every user of the machine;
 * SIGHUP and SIGUSR2 end a process that does not handle them, in the middle of its requests.
 */

const root = join(import.meta.dirname, '..', '..')

async function isOpen (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const open = await once(socket, 'connect').then(() => true, () => false)
  socket.destroy()
  return open
}

/** Sends a signal to a process of the gateway, and waits until its log line is there. */
async function ignored (t: Test, { output }: Pick<GatewayProcess, 'output'>, pid: number, signal: NodeJS.Signals): Promise<void> {
  const lines = (): number => output.stdout.split('\n').filter(line => line.includes(`"pid":${pid}`) && line.includes(`"signal":"${signal}"`) && line.includes('"level":40')).length
  const before = lines()
  process.kill(pid, signal)
  await until(() => lines() > before)
  t.equal(lines(), before + 1, signal)
}

for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGHUP'] as const) {
  t.test(`${signal} has no effect on a gateway but one line in the log`, async t => {
    const port = await findClosedPort()
    const { config } = await writeConfig(t, { log: { level: 'warn' } })
    const gateway = await startPortcullis(t, config, { env: { NODE_OPTIONS: `--inspect-port=${port}` } })

    await ignored(t, gateway, gateway.pid, signal)
    await ignored(t, gateway, gateway.pid, signal)

    t.equal(await isOpen(port), false)
    t.equal((await fetch(`${gateway.url}/.well-known/jwks.json`)).status, 200)
    const { code, stderr } = await gateway.end()
    t.equal(code, 0)
    t.notMatch(stderr, /Debugger (listening|ending)|Starting inspector/)
  })
}

t.test('no process of a gateway with workers opens a debugger, or ends, at such a signal', async t => {
  const gateway = await startWorkers(t, 2)
  const workers = await gateway.workers()
  t.equal(workers.length, 2)

  for (const pid of [gateway.pid, ...workers]) {
    for (const signal of ['SIGHUP', 'SIGUSR2'] as const) await ignored(t, gateway, pid, signal)
    process.kill(pid, 'SIGUSR1')
    // A debugger would be open before the next signal is logged.
    await ignored(t, gateway, pid, 'SIGUSR2')
  }

  t.same(await gateway.workers(), workers)
  const { code, stderr } = await gateway.end()
  t.equal(code, 0)
  t.notMatch(stderr, /Debugger (listening|ending)|Starting inspector|has died/)
})

t.test('no command leaves a debugger open, whenever SIGUSR1 arrives', async t => {
  const config = join(t.testdir({}), 'never.config.ts')
  await writeFile(config, "process.stdout.write('loading\\n')\nawait new Promise(resolve => setTimeout(resolve, 1e9))\nexport default {}\n")
  for (const args of [['start', '--config', config], ['check', '--config', config], ['start', '--workers', '2', '--config', config]]) {
    const port = await findClosedPort()
    const child = spawn(process.execPath, [join(root, 'cli.ts'), ...args], { env: { ...compileCache, NODE_OPTIONS: `--inspect-port=${port}` }, stdio: ['ignore', 'pipe', 'pipe'] })
    t.teardown(() => { child.kill('SIGKILL') })
    let printed = ''
    child.stdout.on('data', chunk => { printed += String(chunk) })
    // Node itself ends at a signal that arrives before it handles any, so the first one is sent once it runs.
    await until(async () => await readFile(`/proc/${child.pid}/status`, 'utf8').then(status => (BigInt(`0x${/^SigCgt:\s*(\w+)$/m.exec(status)?.[1] ?? '0'}`) >> 9n & 1n) === 1n, () => false))
    while (!printed.includes('loading')) {
      child.kill('SIGUSR1')
      await wait(5)
    }
    child.kill('SIGUSR1')

    // The signals before the handler was there may have opened it; it is closed again.
    await until(async () => !await isOpen(port))
    t.equal(child.exitCode ?? child.signalCode, null, args.join(' '))
    child.kill('SIGKILL')
  }
})

t.test('a debugger that was requested stays open', async t => {
  const port = await findClosedPort()
  const { config } = await writeConfig(t, { log: { level: 'warn' } })
  const child = spawn(process.execPath, [`--inspect=127.0.0.1:${port}`, join(root, 'cli.ts'), 'start', '--config', config], { env: compileCache, stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => { child.kill('SIGKILL') })
  let printed = ''
  child.stdout.on('data', chunk => { printed += String(chunk) })
  await until(() => printed.includes('listening on'))

  t.equal(await isOpen(port), true)
})

t.test('the demo and the scripts of the package start without the debugger of SIGUSR1', async t => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  for (const name of ['start', 'portcullis']) t.match(scripts[name], ' --disable-sigusr1 ', name)
  const [inspected, port] = [await findClosedPort(), await findClosedPort()]
  const demo = spawn(process.execPath, [join(root, 'examples', 'demo.ts'), '--port', String(port)], { cwd: t.testdir({}), env: { ...compileCache, NODE_OPTIONS: `--inspect-port=${inspected}` }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { demo.kill('SIGKILL') })
  let printed = ''
  for (const stream of [demo.stdout, demo.stderr]) stream.on('data', chunk => { printed += String(chunk) })
  await until(() => printed.includes('Ctrl-C ends it'))

  demo.kill('SIGUSR1')
  t.equal((await fetch(`http://localhost:${port}/`)).status, 200)

  t.equal(await isOpen(inspected), false)
  t.notMatch(printed, /Debugger (listening|ending)|Starting inspector/)
})

t.test('SIGHUP drains a gateway that runs in a terminal', { skip: spawnSync('script', ['--version']).status === 0 ? false : 'no program makes a terminal here' }, async t => {
  for (const args of ['', ' --workers 2']) {
    const { config } = await writeConfig(t, { log: { level: 'info' } })
    const terminal = spawn('script', ['-qefc', `exec ${process.execPath} ${join(root, 'cli.ts')} start --config ${config}${args}`, '/dev/null'], { env: { PATH: process.env['PATH'] ?? '', ...compileCache }, stdio: ['pipe', 'pipe', 'pipe'] })
    t.teardown(() => { terminal.kill('SIGKILL') })
    const ended = once(terminal, 'close').then(([code]) => code as number | null)
    let printed = ''
    terminal.stdout.on('data', chunk => { printed += String(chunk) })
    await until(() => printed.includes('listening on'))
    const [, pid = ''] = /"pid":(\d+)/.exec(printed.split('\n').find(line => line.includes('portcullis starts')) ?? '') ?? []

    process.kill(Number(pid), 'SIGHUP')

    t.equal(await ended, 0, args)
    t.match(printed, /"signal":"SIGHUP","msg":"told to end"/, args)
    t.match(printed, '"msg":"drained"', args)
  }
})
