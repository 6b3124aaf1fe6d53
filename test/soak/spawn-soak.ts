import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { Result } from './report.ts'

export interface Run { pid: number, signal: (signal: 'SIGINT') => void, output: () => string, ended: Promise<{ code: number | null, stdout: string, stderr: string }> }

/** The script as a process of its own; killed with the test. */
export function spawnSoak (t: Test, args: string[]): Run {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  let output = ''
  child.stdout.on('data', chunk => { output += String(chunk) })
  const ended = Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]).then(([[code], stdout, stderr]) => ({ code: code as number | null, stdout, stderr }))
  return { pid: child.pid!, signal: signal => { child.kill(signal) }, output: () => output, ended }
}

/** A few seconds of it: no promise is broken, and it tells what it did. */
export async function testShortRun (t: Test, store: Result['store']): Promise<void> {
  const file = join(t.testdir({}), 'result.json')
  const { code, stdout, stderr } = await spawnSoak(t, ['--store', store, '--seconds', '6', '--seed', '3', '--clients', '6', '--json', file]).ended
  if (code !== 0) t.comment(stdout)

  t.equal(stderr, '')
  t.equal(code, 0)
  const { seed, operations, processes, violations, faults } = JSON.parse(await readFile(file, 'utf8')) as Result
  t.equal(seed, '3')
  t.same(violations, [])
  for (const what of ['sign-in', 'request', 'refresh']) t.ok((operations[what]?.ok ?? 0) > 0, what)
  t.ok(Object.keys(faults).length > 0, 'something was done to them')
  t.ok(processes.length >= 2)
  for (const { rssMb, fds } of processes) t.ok(rssMb > 0 && fds.start > 0)
  t.match(stdout, /no violation\n$/)
}
