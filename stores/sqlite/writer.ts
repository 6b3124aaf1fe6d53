import type { DatabaseSync } from 'node:sqlite'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { createRunBatch } from './batch.ts'
import type { OperationArguments, OperationName, Operations } from './operations.ts'

/** Runs the operations that change the store; resolves when the change is on the disk. */
export interface Writer {
  run: <Name extends OperationName>(name: Name, ...args: OperationArguments<Name>) => Promise<ReturnType<Operations[Name]>>
  end: () => Promise<void>
}

export interface WriterOptions {
  nowMs: () => number
  timeoutMs: number
  onCommitted: () => void
}

/** Writes on the calling thread: for `:memory:`, which no other thread can access. */
export function createInlineWriter (db: DatabaseSync, { nowMs, timeoutMs, onCommitted }: WriterOptions): Writer {
  const runBatch = createRunBatch(db, timeoutMs)
  return {
    async run (name, ...args) {
      if (!db.isOpen) throw new StoreUnavailableError({ cause: new Error('the store has ended') })
      const [reply] = runBatch([{ id: 0, name, nowMs: nowMs(), args }])
      if (reply === undefined || 'error' in reply) throw new StoreUnavailableError({ cause: reply?.error })
      onCommitted()
      return reply.value as ReturnType<Operations[typeof name]>
    },
    async end () {}
  }
}
