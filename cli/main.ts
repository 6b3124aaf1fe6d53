import { parseArgs } from 'node:util'
import { checkCommand } from './check.ts'
import { keysCommand } from './keys.ts'
import { revokeCommand } from './revoke.ts'
import { sessionsCommand } from './sessions.ts'
import { startCommand } from './start.ts'
import { usage } from './usage.ts'
import { usersCommand } from './users.ts'

/** What the process tells. */
type Signal = 'SIGTERM' | 'SIGINT' | 'unhandledRejection' | 'uncaughtException'

/** What a command may use of the process: the composition root of the command line hands it over. */
export interface Edge {
  env: Record<string, string | undefined>
  stdin: NodeJS.ReadableStream
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream
  signals: { on (signal: Signal, listener: (reason: unknown) => void): unknown, once (signal: Signal, listener: (reason: unknown) => void): unknown, off (signal: Signal, listener: (reason: unknown) => void): unknown }
}

export interface Arguments {
  positionals: string[]
  values: Partial<Record<'config' | 'file' | 'subject' | 'scopes' | 'session' | 'jti' | 'issuer' | 'workers', string>> & { all?: boolean, help?: boolean }
}

/** Wrong usage: exit 2. */
export class UsageError extends Error {}

interface Command {
  run: (args: Arguments, edge: Edge) => Promise<number>
  takes: Array<keyof Arguments['values']>
  hasPositionals?: boolean
}

const commands: Record<string, Command> = {
  start: { run: startCommand, takes: ['config', 'workers'] },
  check: { run: checkCommand, takes: ['config'] },
  users: { run: usersCommand, takes: ['file', 'subject', 'scopes'], hasPositionals: true },
  keys: { run: keysCommand, takes: ['config'], hasPositionals: true },
  sessions: { run: sessionsCommand, takes: ['config', 'subject'] },
  revoke: { run: revokeCommand, takes: ['config', 'session', 'subject', 'jti', 'issuer', 'all'] }
}

const text = { type: 'string' } as const
const options = { config: text, file: text, subject: text, scopes: text, session: text, jti: text, issuer: text, workers: text, all: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const

/** Runs a command line; resolves to the exit code. Errors are one line each on stderr. */
export async function main (argv: string[], edge: Edge): Promise<number> {
  try {
    const { positionals, values } = parse(argv)
    const [name = '', ...rest] = positionals
    if (values.help === true || name === 'help') return write(edge.stdout, usage, 0)
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined) throw new UsageError(name === '' ? 'which command? portcullis --help lists them' : `there is no command "${name}"; portcullis --help lists them`)
    const args = { positionals: rest, values }
    assertTaken(name, command, args)
    return await command.run(args, edge)
  } catch (error) {
    return write(edge.stderr, `${(error as Error).message}\n`, error instanceof UsageError ? 2 : 1)
  }
}

function parse (argv: string[]): Arguments {
  try {
    return parseArgs({ args: joinDashed(argv), options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError((error as Error).message.split('\n')[0]?.replace(/\. To specify.*$/, '') ?? 'wrong usage')
  }
}

/** Ids may begin with a dash: `--jti -x` means `--jti=-x`. */
function joinDashed (argv: string[]): string[] {
  return argv.flatMap((arg, at) => {
    const before = argv[at - 1]
    if (/^-[^-]/.test(arg) && isTextOption(before)) return []
    const after = argv[at + 1]
    return isTextOption(arg) && after !== undefined && /^-[^-]/.test(after) ? `${arg}=${after}` : arg
  })
}

function isTextOption (arg: string | undefined): boolean {
  return arg !== undefined && arg.startsWith('--') && Object.hasOwn(options, arg.slice(2)) && options[arg.slice(2) as keyof typeof options].type === 'string'
}

/** What a command does not know it would do without, and what a shell variable left empty would mean something else. */
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

/** The value of a required option. */
export function required (args: Arguments, name: 'config' | 'file' | 'subject'): string {
  const value = args.values[name]
  if (value === undefined || value === '') throw new UsageError(`--${name} is required`)
  return value
}
