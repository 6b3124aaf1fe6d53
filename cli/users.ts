import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { addUser, removeUser } from '../users/edit-users.ts'
import { required, UsageError, type Arguments } from './arguments.ts'
import type { Edge } from './edge.ts'

/** Changes a users file; a running gateway applies the change without a restart. */
export async function usersCommand (args: Arguments, { stdin, stdout, stderr }: Edge): Promise<number> {
  const [action, name, ...more] = args.positionals
  if (more.length > 0 || name === undefined || (action !== 'add' && action !== 'remove')) throw new UsageError('usage: portcullis users add|remove NAME --file FILE')
  const file = required(args, 'file')
  if (action === 'remove') {
    if (!await removeUser(file, name)) throw new Error(`there is no user "${name}" in ${file}`)
    stdout.write(`removed ${name}\n`)
    return 0
  }
  const { subject, scopes } = args.values
  // RFC 6749 permits a comma within a scope, but a user who types one means two scopes.
  if (scopes?.includes(',') === true) throw new UsageError('--scopes: are separated by spaces, not by commas; write --scopes "a b"')
  const password = isTerminal(stdin) ? await ask(stdin, stderr) : (await text(stdin)).replace(/\r?\n$/, '')
  if (password === '') throw new UsageError('give the password on standard input')
  const { outcome, warning } = await addUser(file, name, password, { ...subject === undefined ? {} : { subject }, ...scopes === undefined ? {} : { scopes: scopes.split(' ').filter(scope => scope !== '') } })
  stdout.write(`${outcome} ${name}\n`)
  if (warning !== null) stderr.write(`warning: ${warning}\n`)
  return 0
}

function isTerminal (stdin: NodeJS.ReadableStream): boolean {
  return (stdin as { isTTY?: boolean }).isTTY === true
}

/** Reads a password without an echo. Ctrl-C and Ctrl-D yield an empty text, which is not a valid password. */
async function ask (stdin: NodeJS.ReadableStream, stderr: NodeJS.WritableStream): Promise<string> {
  stderr.write('password: ')
  const lines = createInterface({ input: stdin, output: new Writable({ write: (_chunk, _encoding, done) => { done() } }), terminal: true })
  const [password = ''] = await Promise.race([once(lines, 'line'), once(lines, 'close')]) as string[]
  lines.close()
  stderr.write('\n')
  return password
}
