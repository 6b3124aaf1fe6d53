import type { DatabaseSync } from 'node:sqlite'
import { createDeviceOperations, createFamilyOperations, createSessionOperations } from './session-operations.ts'
import { createLog, type Log } from './log.ts'
import { createNoteOperations } from './note-operations.ts'
import { createOnceOperations } from './once-operations.ts'
import { createProviderOperations } from './provider-operations.ts'
import { createRevocationOperations } from './revocation-operations.ts'

/** Creates all synchronous operations that change the store. The first argument is the caller's clock. */
export function createOperations (db: DatabaseSync) {
  const log = createLog(db)
  const sessions = createSessionOperations(db, log)
  const revocations = createRevocationOperations(db, log)
  const once = createOnceOperations(db)
  return {
    ...sessions,
    ...createProviderOperations(db, log, { ...sessions, ...revocations, ...once }),
    ...createFamilyOperations(db, log),
    ...createDeviceOperations(db, log),
    ...revocations,
    ...createKeyOperations(db, log),
    ...createNoteOperations(db),
    ...once
  }
}

export type Operations = ReturnType<typeof createOperations>
export type OperationName = keyof Operations
/** The arguments of an operation after the clock. */
export type OperationArguments<Name extends OperationName> = Parameters<Operations[Name]> extends [number, ...infer Rest] ? Rest : never

function createKeyOperations (db: DatabaseSync, log: Log) {
  const write = db.prepare(`
    INSERT INTO keys (id, version, text) SELECT 1, :version, :text
    WHERE :version - 1 = coalesce((SELECT version FROM keys), 0)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, text = excluded.text`)

  return {
    writeKeys (nowMs: number, expectedVersion: number, text: string): 'written' | 'conflict' {
      if (write.run({ version: expectedVersion + 1, text }).changes === 0) return 'conflict'
      log.append(nowMs, { kind: 'keys' })
      return 'written'
    }
  }
}
