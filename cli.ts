#!/usr/bin/env node
import { EndSignals } from './cli/signals.ts'

// Before the rest is loaded, which takes a moment: in a container, signals without a listener are ignored.
const endSignals = new EndSignals(process)

// Whoever read has gone, as in `portcullis check … | head`. That fails no command, and least of all ends a gateway.
for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe)

const { main } = await import('./cli/main.ts')

process.exitCode = await main(process.argv.slice(2), { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, signals: process, whenTold: async () => await endSignals.next() })

function ignoreClosedPipe (error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
