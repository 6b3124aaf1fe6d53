import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { session } from './sqlite-session.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

const child = join(import.meta.dirname, 'sqlite-process.ts')

async function fixture (t: Test): Promise<{ store: Store, ask: (message: object) => Promise<unknown> }> {
  const path = join(t.testdir({}), 'store.db')
  const store = await createSqliteStore({ path })
  const other = fork(child, [path, 'serve'], { execArgv: [] })
  t.teardown(async () => {
    await store.end()
    await leave(other)
  })
  await once(other, 'message')
  return {
    store,
    async ask (message) {
      other.send(message)
      const [answer] = await once(other, 'message')
      return answer
    }
  }
}

async function leave (other: ChildProcess): Promise<void> {
  const exited = once(other, 'exit')
  other.disconnect()
  await exited
}

t.test('a session that another process closes is gone here, and the log says so without being asked', async t => {
  const { store, ask } = await fixture(t)
  const { record } = await store.open(session())
  const { position } = await takeSnapshot(store)
  const grown = new Promise<void>(resolve => t.teardown(store.onGrowth(resolve)))

  t.strictSame(await ask({ close: record.sid }), { closed: record.sid })

  await grown
  t.match(await store.pull(position), { gap: false, entries: [{ kind: 'sid', sid: record.sid }] })
  t.equal(await store.read(record.sid), null)
})

t.test('a session that another process opens is here', async t => {
  const { store, ask } = await fixture(t)

  const answer = await ask({ open: 'bob' })

  const [record] = await store.list('bob')
  t.strictSame(answer, { opened: record?.sid })
})

t.test('two processes that write at once both get through', async t => {
  const { store, ask } = await fixture(t)

  const own = Array.from({ length: 200 }, () => store.open(session({ subject: 'own' })))
  for (let count = 0; count < 20; count++) await ask({ open: 'theirs' })
  await Promise.all(own)

  t.equal((await store.list('own')).length, 200)
  t.equal((await store.list('theirs')).length, 20)
})

t.test('a process that has nothing more to do comes to its end, although it did not end its store', async t => {
  const path = join(t.testdir({}), 'store.db')

  const [code] = await once(fork(child, [path, 'leave'], { execArgv: [] }), 'exit')

  const store = await createSqliteStore({ path })
  t.teardown(() => store.end())
  t.equal(code, 0)
  t.equal((await store.list('alice')).length, 1)
})
