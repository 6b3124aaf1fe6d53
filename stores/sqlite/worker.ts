import { parentPort, workerData } from 'node:worker_threads'
import { createRunBatch, type Request } from './batch.ts'
import { lockPollMs } from './busy.ts'
import { connect } from './file.ts'

/* The writing thread. While it waits for the disk, requests gather in its port, and all of them form the next batch. */

const { path, timeoutMs } = workerData as { path: string, timeoutMs: number }
const db = connect(path, lockPollMs)
const runBatch = createRunBatch(db, timeoutMs)
let waiting: Request[] = []

function flush (): void {
  if (waiting.length === 0) return
  const batch = waiting
  waiting = []
  parentPort?.postMessage(runBatch(batch))
}

parentPort?.on('message', (message: Request[] | 'end') => {
  if (message === 'end') {
    flush()
    db.close()
    parentPort?.close()
    return
  }
  if (waiting.length === 0) setImmediate(flush)
  waiting.push(...message)
})
