import { readFile } from 'node:fs/promises'
import t from 'tap'
import { untilTrue } from '../helpers/portcullis.ts'
import { spawnSoak } from './spawn-soak.ts'
import { slope } from './vitals.ts'

/*
 * A run may be interrupted, and whatever it has started ends with it.
 */

async function childrenOf (pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return children.split(' ').filter(child => child !== '').map(Number)
}

const isGone = (pid: number): boolean => {
  try {
    return !process.kill(pid, 0)
  } catch {
    return true
  }
}

t.test('an interrupted run tells what it knows, and leaves no process behind', async t => {
  const run = spawnSoak(t, ['--store', 'redis', '--seconds', '3600', '--clients', '4'])
  await untilTrue(async () => (await childrenOf(run.pid)).length === 3, 20)
  const children = await childrenOf(run.pid)

  run.signal('SIGINT')
  const { code, stdout } = await run.ended

  t.equal(code, 0)
  t.match(stdout, /no violation\n$/)
  for (const pid of children) t.ok(isGone(pid))
})

t.test('an interrupted run that is interrupted again ends at once, with all that it started', async t => {
  const run = spawnSoak(t, ['--store', 'redis', '--seconds', '3600', '--clients', '4'])
  await untilTrue(async () => (await childrenOf(run.pid)).length === 3, 20)
  const children = await childrenOf(run.pid)

  run.signal('SIGINT')
  await untilTrue(async () => run.output().includes('once more'), 5)
  run.signal('SIGINT')

  t.equal((await run.ended).code, 130)
  await untilTrue(async () => children.every(isGone), 5)
})

t.test('wrong usage is exit 2, and help is help', async t => {
  t.match(await spawnSoak(t, ['--store', 'etcd']).ended, { code: 2, stderr: '--store: must be redis or sqlite\n' })
  t.match(await spawnSoak(t, ['--minutes', '0']).ended, { code: 2, stderr: '--minutes: must be a number above 0\n' })
  t.match(await spawnSoak(t, ['--help']).ended, { code: 0, stdout: /--seed S/ })
})

t.test('growth is the slope of the line through the samples', async t => {
  t.equal(slope([[0, 5], [1, 7], [2, 9]]), 2)
  t.equal(slope([[0, 5], [1, 5], [2, 5]]), 0)
})
