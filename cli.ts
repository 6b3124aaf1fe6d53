#!/usr/bin/env node
import { isatty } from 'node:tty'
import { closeUnrequestedDebugger } from './cli/debugger.ts'
import { commandProblem } from './cli/node-version.ts'
import { EndSignals, IgnoredSignals } from './cli/signals.ts'

const problem = commandProblem(process.versions.node)
if (problem !== null) {
  console.error(problem)
  process.exit(1)
}

// The signal handlers are installed before the slow imports: PID 1 of a container ignores signals that have no handler.
const hasTerminal = [0, 1, 2].some(isatty)
const endSignals = new EndSignals(process, { hasTerminal })
const ignoredSignals = new IgnoredSignals(process, { hasTerminal })
closeUnrequestedDebugger(process)

// A reader may close the pipe early, as in `portcullis check … | head`. EPIPE must neither fail a command nor end a gateway.
for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe)

const { main } = await import('./cli/main.ts')

process.exitCode = await main(process.argv.slice(2), { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, uid: process.getuid?.(), nodeVersion: process.versions.node, signals: process, whenTold: async () => await endSignals.next(), onIgnored: listener => { ignoredSignals.listener = listener } })

function ignoreClosedPipe (error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
