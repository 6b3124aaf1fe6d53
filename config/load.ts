import { dirname, resolve } from 'node:path'
import { Value } from '@sinclair/typebox/value'
import { ConfigInvalidError } from '../lib/errors.ts'
import type { Config } from './config.ts'
import { substitute, type Environment } from './environment.ts'
import { findProblems, type Problem } from './problems.ts'
import { checkIdentity } from './identity.ts'
import { readInput } from './read.ts'
import { resolveConfig } from './resolve.ts'
import { checkGateway, checkIssuers, checkPrefixes, checkTargets, checkTransparent, checkUpstream } from './rules.ts'
import { configSchema, sourceOfType, type Settings } from './schema.ts'

/** Reads and checks a configuration file. Throws ConfigInvalidError with one line for each error. */
export async function loadConfig (file: string, env: Environment): Promise<Config> {
  return checkConfig(await readInput(file), { directory: dirname(resolve(file)), env })
}

/** Checks a configuration object, such as a default export. Throws ConfigInvalidError with one line for each error. */
export function checkConfig (input: unknown, { directory, env }: { directory: string, env: Environment }): Config {
  if (input === null || typeof input !== 'object' || Array.isArray(input)) {
    throw new ConfigInvalidError('configuration: must be a group of settings; start with origin: https://app.example.com')
  }
  const { value, problems, files } = substitute(input, configSchema, env, directory)
  const wrong = findProblems(configSchema, value)
  const settings = withDefaults(value as Record<string, unknown>)
  add(problems, wrong)
  add(problems, findContradictions(settings, wrong))
  if (problems.length > 0) throw new ConfigInvalidError(problems.map(({ setting, text }) => `${setting}: ${text}`).join('\n'))
  return resolveConfig(settings, resolve(directory), files)
}

/** Fills in defaults. A default can replace a wrong value, so the value is checked before. */
function withDefaults ({ identity, ...rest }: Record<string, unknown>): Settings {
  // TypeBox copies values when it fills in defaults, and a function cannot be copied.
  const complete = (source: unknown): unknown => {
    const schema = sourceOfType((source as { type?: unknown } | null)?.type)
    return schema === null ? source : Value.Default(schema, source)
  }
  const sources = Array.isArray(identity) ? identity.map(complete) : complete(identity)
  return { ...Value.Default(configSchema, rest) as Settings, identity: sources as Settings['identity'] }
}

/** Adds problems of settings that have no problem yet. Later problems of a setting and its members result from the first one. */
function add (problems: Problem[], more: Problem[]): void {
  const known = problems.map(problem => problem.setting)
  problems.push(...more.filter(({ setting }) => !known.some(other => isWithin(setting, other))))
}

function isWithin (setting: string, other: string): boolean {
  return setting === other || setting.startsWith(`${other}.`) || setting.startsWith(`${other}[`)
}

/** Finds contradictions between settings that are each valid. */
function findContradictions (settings: Settings, problems: Problem[]): Problem[] {
  const wrong = problems.filter(problem => problem.meant === undefined).map(problem => problem.setting)
  const isRight = (setting: string) => !wrong.some(other => isWithin(other, setting))
  const found = wrong.every(setting => setting.startsWith('upstreams[')) ? checkGateway(settings) : []
  if (problems.length === 0) found.push(...checkTargets(settings), ...checkTransparent(settings))
  if (isRight('origin') && !wrong.some(setting => setting.startsWith('issuers'))) found.push(...checkIssuers(settings.issuers, settings.origin))
  if (!wrong.some(setting => setting.startsWith('identity') || setting.startsWith('issuers'))) found.push(...checkIdentity(settings))
  if (!wrong.includes('upstreams')) {
    const upstreams = settings.upstreams.map((upstream, index) => isRight(`upstreams[${index}]`) ? upstream : undefined)
    found.push(...checkPrefixes(upstreams.map(upstream => upstream?.prefix)), ...upstreams.flatMap((upstream, index) =>
      upstream === undefined ? [] : checkUpstream(upstream, isRight('origin') ? settings.origin : undefined).map(problem => ({ ...problem, setting: `upstreams[${index}].${problem.setting}` }))))
  }
  const meant = new Set(problems.map(problem => problem.meant))
  return found.filter(problem => !meant.has(problem.setting))
}
