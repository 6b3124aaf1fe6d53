/*
 * Checks the structure of the code and prints its measures; `npm run lint` runs it. The tables below are the only place that says which
 * folder may import which: CONTRIBUTING.md shows them, and a test compares.
 */
import { execFileSync } from 'node:child_process'
import { posix } from 'node:path'
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser'
import ts from 'typescript'

/** The folders and files of production code, from the bottom to the top, with those that each may import beside itself. */
export const directions: Record<string, { holds: string, imports: string[] }> = {
  lib: { holds: 'pure functions and the types of the domain: no Fastify value, no time, no timers', imports: [] },
  stores: { holds: 'the contract of a store, and the list of its drivers (`drivers.ts`): SQLite and Redis', imports: ['lib'] },
  users: { holds: 'the users who may sign in with a password', imports: ['stores', 'lib'] },
  config: { holds: 'the configuration: how it is read, checked and described', imports: ['users', 'stores', 'lib'] },
  plugins: { holds: 'one concern a file, as a Fastify plugin, except the registry of their parts (`portcullis.ts`), the options of the server (`server-options.ts`), and the helpers for the tests of applications (`testing/`); `proxy` also defines routes', imports: ['stores', 'lib'] },
  'sign-in': { holds: 'use cases: sign in and out, step up, refresh, end a session; and the list of ways to sign in (`ways.ts`)', imports: ['plugins', 'users', 'lib'] },
  routes: { holds: 'one resource a file, as a plain plugin with its schemas and handlers', imports: ['sign-in', 'plugins', 'lib'] },
  gateway: { holds: 'compositions: the gateway, the listener of operators, the primary process of workers', imports: ['routes', 'sign-in', 'plugins', 'config', 'users', 'stores', 'lib'] },
  cli: { holds: 'the commands; `cli.ts` alone reads `process`', imports: ['gateway', 'plugins', 'config', 'users', 'stores', 'lib'] },
  'cli.ts': { holds: 'the entry of the command line', imports: ['cli'] },
  client: { holds: 'the part that runs in browsers', imports: [] },
  'index.ts': { holds: 'what the package exports', imports: ['gateway', 'routes', 'plugins', 'config', 'users', 'stores', 'lib'] }
}

/** Folders with programs that use the package as an application does, with those that each may import beside itself. */
export const applications: typeof directions = {
  examples: { holds: 'small applications, run by tests', imports: ['index.ts', 'stores/toolkit.ts'] }
}

const mostFilesOfFolder = 25
const mostRootEntries = 28

const folders = Object.keys(directions)

/** Returns the pattern of the paths of a folder, or of a file. */
function within (name: string): string {
  return name.includes('.') ? `^${name.replaceAll('.', '\\.')}$` : `^${name}/`
}

function rules (): IForbiddenRuleType[] {
  const arrows = Object.entries({ ...directions, ...applications }).map(([name, { imports }]): IForbiddenRuleType => ({
    name: `arrow-from-${name}`,
    severity: 'error',
    // A recipe with a package.json imports what it installs.
    from: { path: within(name), pathNot: '^examples/recipes/[^/]+/' },
    // Imports that begin with `/` are addresses that the gateway serves to browsers.
    to: { path: '^(?!node_modules/)', dependencyTypesNot: ['core'], pathNot: ['node_modules/', '^node:', '^/', ...[name, ...imports].map(within)] }
  }))
  return [
    { name: 'circle', severity: 'error', from: {}, to: { circular: true } },
    ...arrows,
    { name: 'fastify-in-lib', severity: 'error', from: { path: '^lib/' }, to: { path: 'node_modules/(?:fastify|fastify-plugin|@fastify/(?!error))(?:/|$)', dependencyTypesNot: ['type-only'] } },
    { name: 'packages-in-client', severity: 'error', from: { path: '^client/' }, to: { dependencyTypes: ['core', 'npm', 'npm-dev'] } }
  ]
}

/** Returns the modules of production code with their imports, types included, and every broken rule as one line. */
async function readModules (): Promise<{ modules: ICruiseResult['modules'], broken: string[] }> {
  const { output } = await cruise([...folders, ...Object.keys(applications)], { ruleSet: { forbidden: rules() }, validate: true, tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' }, tsConfig: { fileName: 'tsconfig.json' } }, undefined, { tsConfig: ts.getParsedCommandLineOfConfigFile('tsconfig.json', {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} })! })
  const { modules, summary } = output as ICruiseResult
  const broken = summary.violations.map(({ rule, from, to, cycle }) => `${rule.name}: ${from} → ${cycle === undefined ? to : cycle.map(({ name }) => name).join(' → ')}`)
  return { modules: modules.filter(({ source }) => folders.some(name => new RegExp(within(name)).test(source))), broken }
}

/** Returns the arrows of the table that no import follows, types included, each as one line. */
function unusedArrows (modules: ICruiseResult['modules']): string[] {
  const isWithin = (name: string, path: string): boolean => new RegExp(within(name)).test(path)
  return folders.flatMap(name => {
    const targets = modules.filter(({ source }) => isWithin(name, source)).flatMap(({ dependencies }) => dependencies.map(({ resolved }) => resolved))
    return directions[name]!.imports.filter(other => !targets.some(target => isWithin(other, target))).map(other => `${name} imports nothing from ${other}: remove it from the table of scripts/structure.ts`)
  })
}

/** Returns the longest chain of imports that remain at run time. */
function deepestChain (modules: ICruiseResult['modules']): string[] {
  const imports = new Map(modules.map(({ source, dependencies }) => [source, dependencies.filter(({ dependencyTypes }) => !dependencyTypes.includes('type-only')).map(({ resolved }) => resolved)]))
  const known = new Map<string, string[]>()
  const chainFrom = (source: string): string[] => {
    const found = known.get(source)
    if (found !== undefined) return found
    const chains = (imports.get(source) ?? []).filter(target => imports.has(target)).map(chainFrom)
    const chain = [source, ...chains.reduce((longest, other) => other.length > longest.length ? other : longest, [])]
    known.set(source, chain)
    return chain
  }
  return [...imports.keys()].map(chainFrom).reduce((longest, other) => other.length > longest.length ? other : longest, [])
}

/** Returns the number of entries of each folder of a list of paths, without its folders; the fullest first. */
function sizes (paths: string[]): Array<[folder: string, files: number]> {
  const counts = new Map<string, number>()
  for (const path of paths) counts.set(posix.dirname(path), (counts.get(posix.dirname(path)) ?? 0) + 1)
  return [...counts].sort(([, one], [, other]) => other - one)
}

function shown (name: string): string {
  return name.includes('.') ? name : `${name}/`
}

/** Returns the rows of CONTRIBUTING's table of folders. */
export function directionRows (): string[] {
  return Object.entries({ ...directions, ...applications }).map(([name, { holds, imports }]) => `| \`${shown(name)}\` | ${holds} | ${imports.map(other => `\`${shown(other)}\``).join(', ')} |`)
}

/** Returns every measure as a row, and the problems as lines. */
export async function measureStructure (): Promise<{ rows: string[][], problems: string[] }> {
  const { modules, broken } = await readModules()
  const [fullest, files] = sizes(modules.map(({ source }) => source))[0]!
  const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'], { encoding: 'utf8' }).trim().split('\n')
  const deleted = new Set(execFileSync('git', ['ls-files', '--deleted'], { encoding: 'utf8' }).trim().split('\n'))
  const root = new Set(tracked.filter(path => !deleted.has(path)).map(path => path.split('/')[0]!))
  const stray = modules.map(({ source }) => source.split('/')[0]!).filter(name => !folders.includes(name))
  const chain = deepestChain(modules)
  return {
    rows: [
      ['production files', String(modules.length), ''],
      ['circles and arrows against the table', String(broken.length), '0'],
      ['files of the fullest folder', `${files} (${fullest})`, String(mostFilesOfFolder)],
      ['entries of the root', String(root.size), String(mostRootEntries)],
      ['longest chain of imports at run time', `${chain.length} (${chain[0]} … ${chain.at(-1)})`, '']
    ],
    problems: [
      ...broken,
      ...unusedArrows(modules),
      ...[...new Set(stray)].map(name => `${name}: add it to the table of scripts/structure.ts`),
      ...files > mostFilesOfFolder ? [`${fullest}: ${files} files; split it by concept, at most ${mostFilesOfFolder} in a folder`] : [],
      ...root.size > mostRootEntries ? [`the root has ${root.size} entries; at most ${mostRootEntries}`] : []
    ]
  }
}

if (import.meta.main) {
  const { rows, problems } = await measureStructure()
  for (const [name = '', value = '', most = ''] of rows) console.log(`${name.padEnd(40)} ${value}${most === '' ? '' : `, at most ${most}`}`)
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
}
