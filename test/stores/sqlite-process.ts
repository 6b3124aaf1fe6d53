import { createSqliteStore } from '../../stores/sqlite.ts'
import { session } from './sqlite-session.ts'

/*
 * Another process on the store's file, for tests that fork one. The first argument is the file, the second the task:
 * `serve` answers messages; `churn` opens and closes sessions and tells what was acknowledged, until it is killed;
 * `leave` writes once and comes to its end without ending the store.
 */

const closing = { maxTokenAgeMs: 900_000 }

const [path = '', task] = process.argv.slice(2)
const store = await createSqliteStore({ path })

interface Request { close?: string, open?: string }

async function serve ({ close, open }: Request): Promise<void> {
  if (close !== undefined) process.send?.({ closed: (await store.close(close, closing))?.sid ?? null })
  if (open !== undefined) process.send?.({ opened: (await store.open(session({ subject: open }))).record.sid })
}

async function churn (): Promise<never> {
  for (;;) {
    const { record: kept } = await store.open(session({ subject: 'kept' }))
    process.send?.({ kept: kept.sid })
    const { record: closed } = await store.open(session({ subject: 'closed' }))
    await store.close(closed.sid, closing)
    process.send?.({ closed: closed.sid })
  }
}

if (task === 'churn') await Promise.all(Array.from({ length: 4 }, churn))
if (task === 'leave') await store.open(session())
if (task === 'serve') {
  process.on('message', (message: Request) => { void serve(message) })
  process.on('disconnect', () => { void store.end() })
  process.send?.({ ready: true })
}
