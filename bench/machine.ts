import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem, type as systemName } from 'node:os'

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
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(child => child !== '').map(Number)
  return [pid, ...children].reduce((sum, process) => sum + cpuUsOf(process), 0)
}
