#!/usr/bin/env node
import { EndSignals } from './cli/signals.ts'

// The signal handlers are installed before the slow imports: PID 1 of a container ignores signals that have no handler.
const endSignals = new EndSignals(process)

// A reader may close the pipe early, as in `portcullis check … | head`. EPIPE must neither fail a command nor end a gateway.
for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe)

const { main } = await import('./cli/main.ts')

process.exitCode = await main(process.argv.slice(2), { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, uid: process.getuid?.(), nodeVersion: process.versions.node, signals: process, whenTold: async () => await endSignals.next() })

function ignoreClosedPipe (error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
