import { ConfigInvalidError } from './errors.ts'

/**
 * Loads a module that needs packages which this one does not install, because most applications do without them. Throws
 * ConfigInvalidError that names the user of the packages and the command that installs them.
 */
export async function loadPackages<Module> (user: string, packages: readonly string[], load: () => Promise<Module>): Promise<Module> {
  try {
    return await load()
  } catch (error) {
    const missing = missingOf(error, packages)
    if (missing === undefined) throw error
    throw new ConfigInvalidError(`${user} needs ${missing}: npm install ${packages.join(' ')}`, { cause: error })
  }
}

function missingOf (error: unknown, packages: readonly string[]): string | undefined {
  const { code, message } = error as NodeJS.ErrnoException
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return undefined
  return packages.find(name => message.includes(`'${name}'`))
}
