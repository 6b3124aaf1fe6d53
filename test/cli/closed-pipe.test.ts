import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { compileCache } from '../helpers/compile-cache.ts'
import { untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { status } from '../helpers/workers.ts'

const cli = join(import.meta.dirname, '..', '..', 'cli.ts')

t.test('a command whose reader has gone ends as it would have', async t => {
  const { config } = await writeConfig(t)
  const child = spawn(process.execPath, [cli, 'check', '--config', config], { env: compileCache, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()

  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])

  t.equal(code, 0)
  t.equal(stderr, '')
})

for (const args of [[], ['--workers', '2']]) {
  t.test(`a gateway whose log nobody reads any more serves on (${args.length === 0 ? 'one process' : 'two workers'})`, async t => {
    const port = await findClosedPort()
    const { config } = await writeConfig(t, { listen: { host: '127.0.0.1', port }, log: { access: true } })
    const child = spawn(process.execPath, [cli, 'start', '--config', config, ...args], { env: compileCache, stdio: ['ignore', 'pipe', 'pipe'] })
    t.teardown(() => { child.kill('SIGKILL') })
    const ended = once(child, 'close')
    child.stdout.destroy()
    child.stderr.destroy()

    const url = `http://127.0.0.1:${port}/auth/session`
    await untilTrue(async () => await status(url, {}).catch(() => 0) === 401, 20)
    for (let times = 0; times < 20; times++) t.equal(await status(url, {}), 401)

    child.kill('SIGTERM')
    t.same(await ended, [0, null])
  })
}
