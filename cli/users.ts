import { text } from 'node:stream/consumers'
import { addUser, removeUser } from '../identity/edit-users.ts'
import { required, UsageError, type Arguments } from './arguments.ts'
import type { Edge } from './main.ts'

/** Changes a users file; a running gateway takes the change over. */
export async function usersCommand (args: Arguments, { stdin, stdout }: Edge): Promise<number> {
  const [action, name, ...more] = args.positionals
  if (more.length > 0 || name === undefined || (action !== 'add' && action !== 'remove')) throw new UsageError('usage: portcullis users add|remove NAME --file FILE')
  const file = required(args, 'file')
  if (action === 'remove') {
    if (!await removeUser(file, name)) throw new Error(`there is no user "${name}" in ${file}`)
    stdout.write(`removed ${name}\n`)
    return 0
  }
  const { subject, scopes } = args.values
  const password = (await text(stdin)).replace(/\r?\n$/, '')
  if (password === '') throw new UsageError('give the password on standard input')
  const outcome = await addUser(file, name, password, { ...subject === undefined ? {} : { subject }, ...scopes === undefined ? {} : { scopes: scopes.split(' ').filter(scope => scope !== '') } })
  stdout.write(`${outcome} ${name}\n`)
  return 0
}
