import cluster, { type Worker } from 'node:cluster'
import { setTimeout as wait } from 'node:timers/promises'
import { endMessage, isWorkerMessage, reportEveryMs, type WorkerMessage } from './messages.ts'

export interface PoolOptions {
  count: number
  /** The time that a worker has to drain before it is killed, in milliseconds. */
  endWithinMs: number
  /** Called when a worker has died. */
  onDeath: (death: { pid: number | undefined, code: number | null, signal: string | null, againInMs: number }) => void
}

/** A worker that lived for less than this probably died of a persistent cause, so the pause before the next start doubles. */
const youngMs = 5000
const firstPauseMs = 100
const longestPauseMs = 30_000
/** The tolerated delay of a report, in milliseconds. */
const slackMs = 1500

interface Member { worker: Worker, startedAtMs: number, isListening: boolean, isReady: boolean, heardAtMs: number }

/** The workers of one gateway. They share its port; a worker that dies is replaced, and `end` ends all of them. */
export class WorkerPool {
  readonly #options: PoolOptions
  readonly #members = new Set<Member>()
  readonly #ending = new AbortController()
  #pauseMs = firstPauseMs

  constructor (options: PoolOptions) {
    this.#options = options
  }

  /**
   * Starts the first worker alone and then the others, so that a faulty configuration is reported once, and files that are created
   * once exist for the others. Resolves to the URL that the workers listen on. Rejects when a worker ends before it listens; its
   * standard error has the cause.
   */
  async start (): Promise<string> {
    cluster.setupPrimary()
    // SIGUSR1 would open the debugger of a worker that does not handle it yet.
    cluster.setupPrimary({ execArgv: [...cluster.settings.execArgv ?? [], '--disable-sigusr1'] })
    const url = await this.#startOne()
    if (this.#ending.signal.aborted) return url
    await Promise.all(Array.from({ length: this.#options.count - 1 }, () => this.#startOne()))
    for (const member of this.#members) this.#replaceWhenDead(member)
    return url
  }

  /** Returns whether every worker runs and has reported within the last moment that it can verify credentials. */
  isReady (): boolean {
    const latestMs = performance.now() - 2 * reportEveryMs - slackMs
    const ready = [...this.#members].filter(({ isReady, heardAtMs }) => isReady && heardAtMs >= latestMs)
    return !this.#ending.signal.aborted && ready.length === this.#options.count
  }

  /** Drains all workers; resolves when all have exited. */
  async end (): Promise<void> {
    this.#ending.abort()
    await Promise.all([...this.#members].map(async member => { await this.#end(member) }))
  }

  async #startOne (): Promise<string> {
    const member: Member = { worker: cluster.fork(), startedAtMs: performance.now(), isListening: false, isReady: false, heardAtMs: 0 }
    const { worker } = member
    this.#members.add(member)
    worker.once('exit', () => { this.#members.delete(member) })
    worker.on('message', message => { if (isWorkerMessage(message)) note(member, message) })
    return await new Promise((resolve, reject) => {
      worker.on('message', message => { if (isWorkerMessage(message) && message.portcullis === 'listening') resolve(message.url) })
      worker.once('exit', () => { reject(new Error('a worker ended before it listened')) })
    })
  }

  #replaceWhenDead ({ worker, startedAtMs }: Member): void {
    const replace = (code: number | null, signal: string | null): void => {
      if (this.#ending.signal.aborted) return
      this.#pauseMs = performance.now() - startedAtMs < youngMs ? Math.min(this.#pauseMs * 2, longestPauseMs) : firstPauseMs
      this.#options.onDeath({ pid: worker.process.pid, code, signal, againInMs: this.#pauseMs })
      void this.#startAgain()
    }
    if (worker.isDead()) replace(worker.process.exitCode, worker.process.signalCode)
    else worker.once('exit', replace)
  }

  async #startAgain (): Promise<void> {
    await wait(this.#pauseMs, undefined, { signal: this.#ending.signal }).catch(() => {})
    if (this.#ending.signal.aborted) return
    const before = new Set(this.#members)
    // A worker that ends before it listens is dead too, and is replaced in the same way.
    void this.#startOne().catch(() => {})
    for (const member of this.#members) if (!before.has(member)) this.#replaceWhenDead(member)
  }

  /** Drains a worker. A worker that does not listen yet has nothing to drain and may start slowly, so it gets SIGTERM. */
  async #end ({ worker, isListening }: Member): Promise<void> {
    if (worker.isDead()) return
    const exited = new Promise(resolve => worker.once('exit', resolve))
    if (worker.isConnected() && isListening) worker.send(endMessage)
    else worker.process.kill('SIGTERM')
    const timer = setTimeout(() => { worker.process.kill('SIGKILL') }, this.#options.endWithinMs)
    await exited
    clearTimeout(timer)
  }
}

function note (member: Member, message: WorkerMessage): void {
  member.heardAtMs = performance.now()
  if (message.portcullis === 'state') member.isReady = message.isReady
  else member.isListening = true
}
