#!/usr/bin/env node
import { main } from './cli/main.ts'

// Whoever read has gone, as in `portcullis check … | head`. That fails no command, and least of all ends a gateway.
for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe)

process.exitCode = await main(process.argv.slice(2), { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, signals: process })

function ignoreClosedPipe (error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
