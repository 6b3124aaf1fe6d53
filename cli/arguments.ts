import { parseArgs } from 'node:util'
import { nearest } from '../lib/suggest.ts'

export interface Arguments {
  positionals: string[]
  values: Partial<Record<'config' | 'file' | 'subject' | 'scopes' | 'session' | 'jti' | 'issuer' | 'workers', string>> & { all?: boolean, online?: boolean, help?: boolean, version?: boolean }
}

/** Reports wrong usage; the exit code is 2. */
export class UsageError extends Error {}

const text = { type: 'string' } as const
const options = { config: text, file: text, subject: text, scopes: text, session: text, jti: text, issuer: text, workers: text, all: { type: 'boolean' }, online: { type: 'boolean' }, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } as const

/** Parses a command line. Does not check whether the command takes the arguments. */
export function parseArguments (argv: string[]): Arguments {
  try {
    return parseArgs({ args: joinDashed(argv), options, allowPositionals: true, strict: true })
  } catch (error) {
    const [message = 'wrong usage'] = (error as Error).message.replace(/\. To specify.*$/s, '').split('\n')
    throw new UsageError(`${message}${suggestOption(message)}`)
  }
}

function suggestOption (message: string): string {
  const unknown = /^Unknown option '--([\w-]+)'$/.exec(message)?.[1]
  const meant = unknown === undefined ? null : nearest(unknown, Object.keys(options))
  return meant === null ? '' : `; did you mean --${meant}?`
}

/** Joins an option with its value, because an id may begin with a dash: `--jti -x` means `--jti=-x`. */
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

/** Returns the value of a required option. */
export function required (args: Arguments, name: 'config' | 'file' | 'subject'): string {
  const value = args.values[name]
  if (value === undefined || value === '') throw new UsageError(`--${name} is required`)
  return value
}
