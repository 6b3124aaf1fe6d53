import type { ChildProcess } from 'node:child_process'

/** What has to be ended, the last first: whatever was started is ended by its process id, however the run ends. */
export class Endings {
  readonly #endings: Array<() => unknown> = []
  readonly #children = new Set<ChildProcess>()
  readonly #pids: Array<() => number | null> = []

  constructor () {
    process.on('exit', () => { this.killAll() })
  }

  /** As a test's. */
  teardown (ending: () => unknown): void {
    this.#endings.push(ending)
  }

  /** One that must not outlive us. */
  own (child: ChildProcess): void {
    this.#children.add(child)
    child.once('exit', () => { this.#children.delete(child) })
  }

  /** The same for one that others start anew now and then. */
  ownPid (pid: () => number | null): void {
    this.#pids.push(pid)
  }

  async end (): Promise<void> {
    for (let ending = this.#endings.pop(); ending !== undefined; ending = this.#endings.pop()) await ending()
    this.killAll()
  }

  killAll (): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const pidOf of this.#pids) {
      const pid = pidOf()
      if (pid !== null) process.kill(pid, 'SIGKILL')
    }
  }
}
