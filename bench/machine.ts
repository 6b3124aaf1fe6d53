import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem, type as systemName } from 'node:os'

/** The number of files that a process needs besides, with some to spare. */
const filesOfProcess = 200

/** Describes what figures depend on besides the code. It names neither the machine nor its owner. */
export function describeMachine (packages: readonly string[]): Record<string, string> {
  const redis = /v=(\S+)/.exec(spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit() ?? 'unknown',
    cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${systemName()} ${/^\d+\.\d+/.exec(release())?.[0] ?? ''}`,
    node: `${process.version}, V8 ${process.versions.v8}, OpenSSL ${process.versions.openssl}, SQLite ${process.versions['sqlite'] ?? 'unknown'}`,
    ...redis === undefined ? {} : { redis },
    packages: packages.map(name => `${name} ${versionOf(name)}`).join(', ')
  }
}

function versionOf (name: string): string {
  const { version } = JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')) as { version: string }
  return version
}

/** Returns the measured commit, marked when files have changed since. */
function commit (): string | null {
  const git = (...args: string[]): string | null => {
    const { status, stdout } = spawnSync('git', args, { cwd: new URL('..', import.meta.url), encoding: 'utf8' })
    return status === 0 ? stdout.trim() : null
  }
  const name = git('rev-parse', '--short=12', 'HEAD')
  // Recorded results do not count as changes of the measured code.
  const changes = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/results', ':!bench/README.md')
  return name === null ? null : `${name}${changes === '' ? '' : ' with changes'}`
}

/** Returns the CPU time of another process so far, all of its living threads, in µs. Needs Linux. */
export function cpuUsOf (pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map(task => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]))
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1000
}

/** Returns the CPU time of another process and its child processes, in µs. Needs Linux. */
export function treeUsOf (pid: number): number {
  return treeOf(pid).reduce((sum, process) => sum + cpuUsOf(process), 0)
}

function treeOf (pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(child => child !== '').map(Number)
  return [pid, ...children]
}

/** Returns the memory of another process and its child processes that is in use, in bytes; shared pages count in each. Needs Linux. */
export function treeRssOf (pid: number): number {
  return treeOf(pid).reduce((sum, process) => sum + Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${process}/status`, 'utf8'))?.[1]) * 1024, 0)
}

/** Returns how many of something processes can hold that takes two files of each, such as the two connections of a request: in hundreds, at most so many. */
export function mostOfTwoFiles (most: number): number {
  return Math.min(most, Math.floor((openFiles() - filesOfProcess) / 2 / 100) * 100)
}

/** Returns the number of files that a process may have open here. Node raises its own limit to that by itself. */
export function openFiles (): number {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === 'unlimited' ? Infinity : Number(limit)
}
