import { describeConfig } from '../config/describe.ts'
import { lintConfig } from '../config/lint.ts'
import { loadConfig } from '../config/load.ts'
import { readTlsFiles } from '../config/tls-files.ts'
import { required, type Arguments, type Edge } from './main.ts'

/** Checks a configuration and tells what it means; starts nothing. */
export async function checkCommand (args: Arguments, { env, stdout }: Edge): Promise<number> {
  const config = await loadConfig(required(args, 'config'), env)
  const warnings = [...lintConfig(config), ...config.listen.tls === null ? [] : (await readTlsFiles(config.listen.tls)).warnings]
  for (const line of describeConfig(config)) stdout.write(`${line}\n`)
  for (const line of warnings) stdout.write(`warning: ${line}\n`)
  return 0
}
