import { findAddresses } from '../config/addresses.ts'
import { describeConfig } from '../config/describe.ts'
import { readFiles } from '../config/files.ts'
import { lintConfig } from '../config/lint.ts'
import { loadConfig } from '../config/load.ts'
import { required, type Arguments } from './arguments.ts'
import type { Edge } from './edge.ts'

/**
 * Checks a configuration and the files that it names, and prints what it means. It starts no server, creates no file, and uses the
 * network for DNS look-ups only, unless `--online` asks the identity providers.
 */
export async function checkCommand (args: Arguments, { env, stdout, stderr }: Edge): Promise<number> {
  const config = await loadConfig(required(args, 'config'), env)
  const { users, warnings } = await readFiles(config, { store: true })
  for (const line of describeConfig(config)) stdout.write(`${line}\n`)
  const addresses = await findAddresses(config.upstreams.flatMap(({ targets }) => targets))
  for (const line of [...lintConfig(config, users, addresses), ...warnings]) stdout.write(`warning: ${line}\n`)
  if (args.values.online !== true) return 0
  const { askProviders } = await import('./ask-providers.ts')
  const { faults, remarks } = await askProviders(config)
  for (const line of remarks) stdout.write(`${line}\n`)
  for (const line of faults) stderr.write(`${line}\n`)
  return faults.length === 0 ? 0 : 1
}
