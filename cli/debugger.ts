import inspector from 'node:inspector'

const request = /(?:^|\s)--inspect(?:-brk|-wait)?(?:[=\s]|$)/
const lookEveryMs = 50
const lookForMs = 5000

/**
 * Closes the debugger of Node that a SIGUSR1 has opened while Node started, unless the command line or NODE_OPTIONS requested a debugger. It
 * accepts every user of the machine. Node opens it on another thread, some time after the signal, so this is repeated for a few seconds. The
 * flag `--disable-sigusr1` prevents the debugger from being opened at all, but a program that is started by its first line has no flags.
 */
export function closeUnrequestedDebugger ({ execArgv, env }: Pick<NodeJS.Process, 'execArgv' | 'env'>): void {
  if (request.test([...execArgv, env['NODE_OPTIONS'] ?? ''].join(' '))) return
  const close = (): void => { if (inspector.url() !== undefined) inspector.close() }
  close()
  const timer = setInterval(close, lookEveryMs).unref()
  setTimeout(() => { clearInterval(timer) }, lookForMs).unref()
}
