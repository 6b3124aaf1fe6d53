import { describeConfig } from '../config/describe.ts'
import { lintConfig } from '../config/lint.ts'
import { loadConfig } from '../config/load.ts'
import { required, type Arguments, type Edge } from './main.ts'

/** Checks a configuration and tells what it means; starts nothing. */
export async function checkCommand (args: Arguments, { env, stdout }: Edge): Promise<number> {
  const config = await loadConfig(required(args, 'config'), env)
  for (const line of describeConfig(config)) stdout.write(`${line}\n`)
  for (const line of lintConfig(config)) stdout.write(`warning: ${line}\n`)
  return 0
}
