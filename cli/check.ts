import { describeConfig } from '../config/describe.ts'
import { loadConfig } from '../config/load.ts'
import { required, type Arguments, type Edge } from './main.ts'

/** Checks a configuration and tells what it means; starts nothing. */
export async function checkCommand (args: Arguments, { env, stdout }: Edge): Promise<number> {
  const config = await loadConfig(required(args, 'config'), env)
  stdout.write(`${describeConfig(config).join('\n')}\n`)
  return 0
}
