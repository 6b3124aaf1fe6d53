import { StoreUnavailableError } from '../lib/errors.ts'
import { nearest } from '../lib/suggest.ts'
import { version } from '../plugins/server/version.ts'
import { parseArguments, UsageError, type Arguments } from './arguments.ts'
import type { Edge } from './edge.ts'
import { commandUsage, usage } from './usage.ts'

type Run = (args: Arguments, edge: Edge) => Promise<number>

interface Command {
  /** Loads only this command: loading the others, with their packages, takes longer than a short command runs. */
  load: () => Promise<Run>
  takes: Array<keyof Arguments['values']>
  hasPositionals?: boolean
}

const commands: Record<string, Command> = {
  start: { load: async () => (await import('./start.ts')).startCommand, takes: ['config', 'workers'] },
  check: { load: async () => (await import('./check.ts')).checkCommand, takes: ['config', 'online'] },
  users: { load: async () => (await import('./users.ts')).usersCommand, takes: ['file', 'subject', 'scopes'], hasPositionals: true },
  keys: { load: async () => (await import('./keys.ts')).keysCommand, takes: ['config'], hasPositionals: true },
  sessions: { load: async () => (await import('./sessions.ts')).sessionsCommand, takes: ['config', 'subject'] },
  revoke: { load: async () => (await import('./revoke.ts')).revokeCommand, takes: ['config', 'session', 'subject', 'jti', 'issuer', 'all'] }
}

/** Runs a command line; resolves to the exit code. Errors are one line each on stderr. */
export async function main (argv: string[], edge: Edge): Promise<number> {
  try {
    const { positionals, values } = parseArguments(argv)
    const [name = '', ...rest] = positionals
    if (values.version === true) return write(edge.stdout, `${version}\n`, 0)
    if (name === 'help') return write(edge.stdout, helpOn(rest[0]), 0)
    if (values.help === true) return write(edge.stdout, helpOn(positionals[0]), 0)
    const command = commandNamed(name)
    const args = { positionals: rest, values }
    assertTaken(name, command, args)
    const run = await command.load()
    return await run(args, edge)
  } catch (error) {
    return write(edge.stderr, `${sayError(error as Error)}\n`, error instanceof UsageError ? 2 : 1)
  }
}

/** Clients learn only that the store is unavailable; the user of the command line also learns which setting is concerned. */
function sayError (error: Error): string {
  const { cause, message } = error
  return error instanceof StoreUnavailableError && cause instanceof Error && /^store[.:]/.test(cause.message) ? cause.message : message
}

function commandNamed (name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined) return command
  const meant = nearest(name, Object.keys(commands))
  throw new UsageError(name === '' ? 'which command? portcullis --help lists them' : `there is no command ${JSON.stringify(name)}; ${meant === null ? '' : `did you mean ${meant}? `}portcullis --help lists them`)
}

function helpOn (name: string | undefined): string {
  if (name === undefined) return usage
  commandNamed(name)
  return commandUsage[name]!
}

/**
 * Rejects arguments that the command does not take, which would be ignored, and empty options, which an unset shell variable
 * produces.
 */
function assertTaken (name: string, { takes, hasPositionals = false }: Command, { positionals, values }: Arguments): void {
  if (positionals.length > 0 && !hasPositionals) throw new UsageError(`${name} takes options alone; "${positionals[0]}" is too much`)
  for (const [option, value] of Object.entries(values)) {
    if (!takes.includes(option as keyof typeof values)) throw new UsageError(`${name} does not take --${option}`)
    if (value === '' && option !== 'scopes') throw new UsageError(`--${option} is empty`)
  }
}

function write (stream: NodeJS.WritableStream, message: string, exitCode: number): number {
  stream.write(message)
  return exitCode
}
