import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * A process that dies at any instant (kill -9, out of memory) has lost nothing that it acknowledged: a session whose opening was
 * answered is there, and one whose closing was answered does not come back with the restart.
 */

const rounds = 6
const child = join(import.meta.dirname, 'sqlite-process.ts')

async function churnUntilKilled (path: string): Promise<{ kept: string[], closed: string[] }> {
  const acknowledged = { kept: [] as string[], closed: [] as string[] }
  const churning = fork(child, [path, 'churn'], { execArgv: [] })
  churning.on('message', ({ kept, closed }: { kept?: string, closed?: string }) => {
    if (kept !== undefined) acknowledged.kept.push(kept)
    if (closed !== undefined) acknowledged.closed.push(closed)
  })
  const exited = once(churning, 'exit')
  await Promise.race([once(churning, 'message'), exited])
  setTimeout(() => churning.kill('SIGKILL'), 20 + Math.random() * 200)
  await exited
  return acknowledged
}

t.test('what a killed process had acknowledged is on the disk', async t => {
  const path = join(t.testdir({}), 'store.db')
  const kept: string[] = []
  const closed: string[] = []

  for (let round = 0; round < rounds; round++) {
    const acknowledged = await churnUntilKilled(path)
    t.ok(acknowledged.kept.length > 0)
    kept.push(...acknowledged.kept)
    closed.push(...acknowledged.closed)

    const store = await createSqliteStore({ path })
    const there = new Set((await store.list('kept')).map(({ sid }) => sid))
    const revoked = new Set((await takeSnapshot(store)).revocations.map(one => one.kind === 'sid' ? one.sid : ''))
    const undead = new Set((await store.list('closed')).map(({ sid }) => sid))
    t.strictSame(kept.filter(sid => !there.has(sid)), [])
    t.strictSame(closed.filter(sid => !revoked.has(sid) || undead.has(sid)), [])
    await store.end()
  }
})
