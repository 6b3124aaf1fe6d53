import { globSync, readdirSync, readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import root, { type Test } from 'tap'
import { forgetSecrets } from './secrets.ts'

/** The files that `npm test` runs many to a process. What starts processes or measures its own one has a folder that is not here. */
const pattern = 'test/{config,lib,plugins,routes,security,sign-in,users}/**/*.test.ts'
const project = join(import.meta.dirname, '..', '..')
const scheme = 'together:'
const name = 'portcullis.together'

/** The test of each file, by the URL of the file. */
const tests = new Map<string, Test>()

/**
 * Runs some of these files in this process, one after the other, because loading a gateway costs more CPU time than most of them.
 * The files are dealt out to the modules of the folder of `self`, so that every file is run by one of them.
 */
export function runTogether (self: string): void {
  const { tap } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { tap: { exclude: string[] } }
  if (!tap.exclude.includes(pattern)) throw new Error(`tap.exclude of package.json must contain ${pattern}: these files are run together`)
  const modules = readdirSync(join(self, '..')).sort()
  const part = modules.findIndex(module => self.endsWith(`/${module}`))
  const files = globSync(pattern, { cwd: project, exclude: ['**/*.slow.test.ts'] }).sort().filter((_file, index) => index % modules.length === part)
  giveEachItsOwnTap()
  for (const file of files) {
    void root.test(file, async t => {
      forgetSecrets()
      const { href } = pathToFileURL(join(project, file))
      tests.set(href, t)
      await import(href)
    })
  }
}

/** What a test file imports as `tap` is its own test, so that hooks and the end of a file are those of this file. */
function giveEachItsOwnTap (): void {
  Object.defineProperty(globalThis, Symbol.for(name), { value: tests })
  registerHooks({
    resolve: (specifier, context, next) => specifier === 'tap' && tests.has(context.parentURL ?? '') ? { url: `${scheme}${context.parentURL}`, format: 'module', shortCircuit: true } : next(specifier, context),
    load: (url, context, next) => url.startsWith(scheme) ? { source: `export default globalThis[Symbol.for('${name}')].get(${JSON.stringify(url.slice(scheme.length))})`, format: 'module', shortCircuit: true } : next(url, context)
  })
}
