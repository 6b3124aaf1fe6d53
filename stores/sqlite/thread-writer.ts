import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { Breaker } from '../breaker.ts'
import type { Reply, Request } from './batch.ts'
import type { OperationArguments, OperationName, Operations } from './operations.ts'
import type { Writer, WriterOptions } from './writer.ts'

interface Pending {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
  deadline: NodeJS.Timeout
}

/** Sends writes to one thread. The first write starts the thread, and starts it again after it has died. */
export class ThreadWriter implements Writer {
  readonly #path: string
  readonly #options: WriterOptions
  readonly #pending = new Map<number, Pending>()
  readonly #breaker = new Breaker()
  #worker: Worker | null = null
  #outbox: Request[] = []
  #lastId = 0
  #ended: Promise<void> | null = null

  constructor (path: string, options: WriterOptions) {
    this.#path = path
    this.#options = options
  }

  async run<Name extends OperationName> (name: Name, ...args: OperationArguments<Name>): Promise<ReturnType<Operations[Name]>> {
    if (this.#ended !== null) throw unavailable('the store has ended')
    this.#breaker.begin()
    const id = ++this.#lastId
    // The writes of one turn of the event loop, promise callbacks included, are sent to the thread as one message.
    if (this.#outbox.push({ id, name, nowMs: this.#options.nowMs(), args }) === 1) process.nextTick(() => this.#send())
    return await new Promise((resolve, reject) => {
      const { timeoutMs } = this.#options
      const deadline = setTimeout(() => { this.#expire(id) }, timeoutMs)
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject, deadline })
    })
  }

  /** Waits for pending writes. A thread that does not answer within the timeout of one write is terminated. */
  async end (): Promise<void> {
    this.#ended ??= this.#stop()
    await this.#ended
  }

  async #stop (): Promise<void> {
    this.#send()
    const worker = this.#worker
    if (worker === null) return
    const exited = new Promise(resolve => worker.once('exit', resolve))
    const kill = setTimeout(() => { void worker.terminate() }, this.#options.timeoutMs)
    worker.ref()
    worker.postMessage('end')
    await exited
    clearTimeout(kill)
  }

  #send (): void {
    if (this.#outbox.length === 0) return
    const requests = this.#outbox
    this.#outbox = []
    try {
      this.#worker ??= this.#start()
      this.#worker.ref()
      this.#worker.postMessage(requests)
    } catch (cause) {
      for (const { id } of requests) this.#fail(id, cause)
    }
  }

  #start (): Worker {
    // The worker has the extension of this file: the sources run uncompiled in development.
    const file = new URL(`./worker${extname(import.meta.url)}`, import.meta.url)
    const worker = new Worker(file, { workerData: { path: this.#path, timeoutMs: this.#options.timeoutMs }, execArgv: [] })
    worker.on('message', (replies: Reply[]) => this.#receive(replies))
    worker.on('error', error => this.#lose(worker, error))
    worker.on('exit', () => this.#lose(worker, new Error('the thread that writes has ended')))
    return worker
  }

  #receive (replies: Reply[]): void {
    for (const reply of replies) {
      const pending = this.#settle(reply.id)
      if (pending !== undefined) this.#breaker.answered()
      if ('error' in reply) pending?.reject(new StoreUnavailableError({ cause: reply.error }))
      else pending?.resolve(reply.value)
    }
    this.#options.onCommitted()
  }

  #lose (worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = null
    for (const id of this.#pending.keys()) this.#fail(id, cause)
  }

  #fail (id: number, cause: unknown): void {
    const pending = this.#settle(id)
    if (pending === undefined) return
    this.#breaker.failed()
    pending.reject(new StoreUnavailableError({ cause }))
  }

  #expire (id: number): void {
    const pending = this.#settle(id)
    if (pending === undefined) return
    this.#breaker.expired()
    pending.reject(unavailable(`no answer within ${this.#options.timeoutMs} ms`))
  }

  /** Removes a write from the list; with the last one the thread stops keeping the process alive. */
  #settle (id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    if (pending === undefined) return undefined
    clearTimeout(pending.deadline)
    this.#pending.delete(id)
    if (this.#pending.size === 0 && this.#ended === null) this.#worker?.unref()
    return pending
  }
}

function unavailable (reason: string): Error {
  return new StoreUnavailableError({ cause: new Error(reason) })
}
