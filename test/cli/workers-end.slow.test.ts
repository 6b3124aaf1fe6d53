import t from 'tap'
import { signIn } from '../helpers/build-gateway.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { startWorkers, status, statuses } from '../helpers/workers.ts'

t.test('readiness is that of all workers, and one that dies is replaced', async t => {
  const gateway = await startWorkers(t, 2)
  await untilTrue(async () => await status(`${gateway.admin}/readyz`, {}) === 200, 5)
  const [first = 0, ...others] = await gateway.workers()
  const { cookie } = await signIn(gateway.url)

  process.kill(first, 'SIGKILL')
  await untilTrue(async () => await status(`${gateway.admin}/readyz`, {}) === 503)
  t.same(await statuses(`${gateway.url}/up`, { cookie }), new Set([200]), 'the others serve on')
  await untilTrue(async () => await status(`${gateway.admin}/readyz`, {}) === 200, 5)

  const now = await gateway.workers()
  t.equal(now.length, 2)
  t.notOk(now.includes(first))
  t.ok(others.every(pid => now.includes(pid)))
  t.match(gateway.output.stderr, /^worker \d+ has died \(SIGKILL\); another one starts in \d+ ms\n$/)
})

t.test('SIGTERM ends every worker, after what is in flight', async t => {
  const answers: Array<() => void> = []
  const slow = await startUpstream(t, (_request, response) => { answers.push(() => { response.end('finished') }) })
  const gateway = await startWorkers(t, 2, { upstreams: [{ prefix: '/slow', target: slow.url, access: 'public' }] })
  const inFlight = Array.from({ length: 6 }, async () => await (await fetch(`${gateway.url}/slow`)).text())
  await untilTrue(async () => answers.length === 6, 5)
  const workers = await gateway.workers()

  gateway.signal('SIGTERM')
  await untilTrue(async () => await status(`${gateway.admin}/readyz`, {}) === 503, 5)
  for (const answer of answers) answer()

  t.same(await Promise.all(inFlight), Array(6).fill('finished'))
  t.equal((await gateway.ended).code, 0)
  for (const pid of workers) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
})

t.test('workers end when the process that started them is killed', async t => {
  const gateway = await startWorkers(t, 2)
  const workers = await gateway.workers()

  await gateway.end('SIGKILL')

  await untilTrue(async () => workers.every(pid => { try { return !process.kill(pid, 0) } catch { return true } }), 5)
})
