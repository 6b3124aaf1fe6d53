import { readFile } from 'node:fs/promises'
import { importClientKey } from '../lib/oidc/client-key.ts'
import { readUsersFile, type StoredUser } from '../users/users-file.ts'
import { ConfigInvalidError } from '../lib/errors.ts'
import { isQuickToGuess } from '../users/password.ts'
import { driverOf } from '../stores/drivers.ts'
import { forOthers, warnOfReaders } from '../stores/files/readers.ts'
import { readClientTlsFiles, readTlsFiles, type TlsFiles } from '../stores/files/tls-files.ts'
import type { Config, ProviderConfig, UpstreamConfig } from './config.ts'
import { checkJwksFile } from './jwks-files.ts'

export interface Files {
  tls: TlsFiles | null
  /** Null when the users are not in a file. */
  users: StoredUser[] | null
  warnings: string[]
}

/**
 * Checks every file that a configuration names, without making or changing one. Throws one ConfigInvalidError with a line for each
 * file that would prevent the start. `store: true` includes the files of the store. A process that opens the store passes false,
 * because opening reports the same errors.
 */
export async function readFiles (config: Config, { store: withStore }: { store: boolean }): Promise<Files> {
  const { listen, identity, providers, issuers, upstreams } = config
  const usersFile = identity === null || typeof identity === 'function' ? null : identity.file
  const [tls, users, keys, clients, clientKeys, store] = await settle([
    listen.tls === null ? null : readTlsFiles(listen.tls),
    usersFile === null ? null : readUsersFile(usersFile),
    Promise.all(issuers.map(checkJwksFile)),
    Promise.all(upstreams.map(checkUpstreamTls)),
    Promise.all(providers.map(checkClientKey)),
    withStore ? driverOf(config.store).checkFiles(config.store, config.secrets) : []
  ])
  const warnings = [
    ...tls?.warnings ?? [],
    ...listen.tls === null ? [] : await warnOfReaders('listen.tls.key', listen.tls.key, forOthers),
    ...usersFile === null || users === null ? [] : [...await warnOfReaders('identity.file', usersFile, forOthers), ...warnOfUsers(usersFile, users)],
    ...keys.flat(),
    ...clients.flat(),
    ...clientKeys.flat(),
    ...await warnOfTextFiles(config),
    ...store
  ]
  return { tls, users, warnings }
}

async function checkUpstreamTls ({ tls }: UpstreamConfig, index: number): Promise<string[]> {
  if (tls === null) return []
  const setting = `upstreams[${index}].tls`
  const { warnings } = await readClientTlsFiles(setting, tls)
  return [...warnings, ...tls.key === null ? [] : await warnOfReaders(`${setting}.key`, tls.key, forOthers)]
}

/** Checks the private key with which the gateway authenticates to a provider. */
async function checkClientKey ({ setting: source, privateKey }: ProviderConfig): Promise<string[]> {
  if (privateKey === null) return []
  const setting = `${source}.privateKey`
  try {
    await importClientKey(await readFile(privateKey, 'utf8'))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new ConfigInvalidError(`${setting}: ${privateKey} cannot be used (${code ?? message}); name a PEM file with a private key`, { cause: error })
  }
  return await warnOfReaders(setting, privateKey, forOthers)
}

/** Resolves to all values, or rejects with one error that has the lines of every ConfigInvalidError. */
async function settle<Values extends unknown[]> (promises: { [Index in keyof Values]: Values[Index] | Promise<Values[Index]> }): Promise<Values> {
  const outcomes = await Promise.allSettled(promises)
  const errors = outcomes.flatMap(outcome => outcome.status === 'rejected' ? [outcome.reason as Error] : [])
  const unexpected = errors.find(error => !(error instanceof ConfigInvalidError))
  if (unexpected !== undefined) throw unexpected
  if (errors.length > 0) throw new ConfigInvalidError(errors.map(error => error.message).join('\n'), { cause: errors[0] })
  return outcomes.map(outcome => (outcome as PromiseFulfilledResult<unknown>).value) as Values
}

function warnOfUsers (file: string, users: StoredUser[]): string[] {
  if (users.length === 0) return [`identity.file: ${file} has no user, so nobody can sign in; make one with: portcullis users add <name> --file ${file}`]
  const weak = users.findIndex(({ password }) => isQuickToGuess(password))
  return weak < 0 ? [] : [`identity.file: users[${weak}].password: is a hash at a cost so low that passwords are quick to guess from it; make it anew with: portcullis users add`]
}

/** The folders in which Docker mounts secrets; every user of the container can read them. */
const mountedSecrets = ['/run/secrets/', '/var/run/secrets/']

async function warnOfTextFiles ({ textFiles }: Config): Promise<string[]> {
  const named = new Map(textFiles.filter(({ path }) => !mountedSecrets.some(folder => path.startsWith(folder))).map(({ setting, path }) => [path, setting]))
  return (await Promise.all(Array.from(named, async ([path, setting]) => await warnOfReaders(setting, path, forOthers)))).flat()
}
