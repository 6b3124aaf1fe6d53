/*
 * Creates docs/reference/plugins.md. Names, types and comments are read from the declarations, as an editor shows them. Values, bounds and
 * defaults of options are read from the schemas with which the plugins check them.
 */
import { registerHooks } from 'node:module'
import { OptionalKind, type TSchema } from '@sinclair/typebox'
import * as exported from '../index.ts'
import { limits } from '../lib/settings/limits.ts'
import { defaultsOf } from '../lib/settings/decode.ts'
import { Session } from '../lib/session/view.ts'
import { Declarations, type Member } from './declarations.ts'

interface Documented {
  /** Name of the export, and of the options' type without `Options`. */
  name: string
  file: string
  /** Names of the types of its options; several if there is a choice. Absent without options. */
  options?: string[]
  /** Files with the schemas of these types, if the schema is not in `file`. */
  schemas?: string[]
  /** Line above the table of each type, if there are several. */
  captions?: string[]
  note?: string
}

/** The plugins, in the order of docs/guides/composing.md. */
const plugins: Documented[] = [
  { name: 'errors', file: 'plugins/errors.ts', options: ['ErrorsOptions'] },
  { name: 'cors', file: 'plugins/cors.ts', options: ['CorsOptions'] },
  {
    name: 'store',
    file: 'plugins/store.ts',
    options: ['SqliteOptions', 'RedisPluginOptions'],
    schemas: ['stores/sqlite/driver.ts', 'stores/redis/plugin-options.ts'],
    captions: ['SQLite, the default:', 'Redis:'],
    note: '`{ type: \'custom\', store }` uses [a store of the application](../guides/stores.md). `type: \'redis\'` requires one of `url`, `cluster` and `sentinels`; `name` goes with `sentinels`.'
  },
  { name: 'rateLimit', file: 'plugins/rate-limit.ts', options: ['RateLimitOptions'] },
  { name: 'audit', file: 'plugins/audit.ts' },
  { name: 'blocklist', file: 'plugins/blocklist.ts', options: ['BlocklistOptions'] },
  { name: 'health', file: 'plugins/health.ts' },
  { name: 'metrics', file: 'plugins/metrics.ts' },
  { name: 'drain', file: 'plugins/drain.ts', options: ['DrainOptions'] },
  { name: 'cookies', file: 'plugins/cookies.ts', options: ['CookiesOptions'], note: '`CookieKind` is `\'session\'`, `\'refresh\'`, `\'device\'` or `\'challenge\'`.' },
  { name: 'keys', file: 'plugins/keys.ts', options: ['KeysOptions'] },
  { name: 'accessToken', file: 'plugins/access-token.ts', options: ['AccessTokenOptions'] },
  { name: 'issuers', file: 'plugins/issuers.ts', options: ['IssuersOptions'] },
  { name: 'session', file: 'plugins/session.ts', options: ['SessionOptions'] },
  { name: 'deviceBound', file: 'plugins/device-bound.ts', options: ['DeviceBoundOptions'] },
  { name: 'refreshToken', file: 'plugins/refresh-token.ts', options: ['RefreshTokenOptions'] },
  { name: 'secondFactor', file: 'plugins/second-factor.ts', options: ['SecondFactorOptions'] },
  { name: 'oidc', file: 'plugins/oidc.ts', options: ['OidcOptions'] },
  { name: 'authenticate', file: 'plugins/authenticate.ts', options: ['AuthenticateOptions'], note: '[Composing the plugins](../guides/composing.md#sessions-tokens-and-protected-routes) lists what a route can demand (`AuthenticateDemand`).' },
  { name: 'mint', file: 'plugins/mint.ts', options: ['MintOptions'] },
  { name: 'streams', file: 'plugins/streams.ts' },
  { name: 'proxy', file: 'plugins/proxy.ts', options: ['ProxyOptions'] }
]

/** The routes, as plain plugins. */
const routes: Documented[] = [
  { name: 'authRoutes', file: 'routes/auth.ts', options: ['AuthRoutesOptions'] },
  { name: 'sessionsRoutes', file: 'routes/sessions.ts', options: ['SessionsRoutesOptions'] },
  { name: 'deviceRoutes', file: 'routes/device.ts' },
  { name: 'pagesRoutes', file: 'routes/pages.ts', options: ['PagesRoutesOptions'] },
  { name: 'providerRoutes', file: 'routes/providers.ts', options: ['ProviderRoutesOptions'] },
  { name: 'wellKnownRoutes', file: 'routes/well-known.ts' },
  { name: 'adminRoutes', file: 'routes/admin.ts', options: ['AdminRoutesOptions'] },
  { name: 'healthRoutes', file: 'routes/health.ts' },
  { name: 'metricsRoutes', file: 'routes/metrics.ts' }
]

/** Types that the tables name, with the files that export them. */
const types: Array<[name: string, file: string]> = [
  ['Identity', 'index.ts'],
  ['SignIn', 'index.ts'],
  ['SessionRecord', 'index.ts'],
  ['AccessTokenRequest', 'index.ts'],
  ['TokenResponse', 'plugins/refresh-token/refresh-tokens.ts'],
  ['RotateRequest', 'plugins/refresh-token/refresh-tokens.ts'],
  ['Budget', 'index.ts'],
  ['BudgetSize', 'index.ts'],
  ['SecurityEvent', 'index.ts']
]

const opening = `# Plugins

This page lists the options of every plugin and what it adds to an application. \`npm run docs\` generates it from the declarations and from the schemas with which the plugins check their options. [Composing the plugins](../guides/composing.md) shows how to use them, in which order they are registered, and complete applications.

A duration is a string with a unit (\`500ms\`, \`30s\`, \`15m\`, \`24h\`, \`30d\`), or a number of milliseconds. A plugin throws \`PTC_ERR_CONFIG_INVALID\` for an option that it does not know or that is out of bounds; the error names the plugin and the option. Methods throw the errors of [Errors](errors.md).

`

const mark = '?options'

/** Loads the schema of a plugin's options, which its file does not export: nothing but this page needs it. */
async function schemaOf (file: string): Promise<Record<string, TSchema>> {
  const { optionsSchema } = await import(new URL(`../${file}${mark}`, import.meta.url).href) as { optionsSchema: TSchema }
  return optionsSchema['properties'] as Record<string, TSchema>
}

/** Returns the text of docs/reference/plugins.md. */
export async function pluginReference (): Promise<string> {
  const hooks = registerHooks({
    load (url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      return url.endsWith(mark) ? { ...loaded, source: `${String(loaded.source)}\nexport { Options as optionsSchema }\n` } : loaded
    }
  })
  try {
    return await createPage(new Declarations())
  } finally {
    hooks.deregister()
  }
}

async function createPage (declarations: Declarations): Promise<string> {
  const sections = await Promise.all(plugins.map(plugin => pluginSection(plugin, declarations)))
  return opening + [
    ...sections,
    `## serverOptions\n\n${declarations.commentOf(declarations.exportOf('plugins/server-options.ts', 'serverOptions'))}\n\n${optionsTable([...serverRows(declarations)])}`,
    `## Routes\n\n${routes.map(route => routeSection(route, declarations)).join('')}`,
    `## Types\n\n${types.map(([name, file]) => typeSection(name, file, declarations)).join('')}${sessionSection()}${sourceSection('SessionData', declarations)}${sourceSection('TokenClaims', declarations)}${sourceSection('RevokeRequest', declarations)}${sourceSection('RevocableClaims', declarations)}`
  ].join('').trimEnd() + '\n'
}

async function pluginSection (plugin: Documented, declarations: Declarations): Promise<string> {
  const { name, file, options = [], schemas = [file], captions = [], note } = plugin
  const needs = needsOf(name)
  const tables = await Promise.all(options.map(async (type, index) => {
    const path = schemas[index] ?? file
    const table = optionsTable(optionRows(declarations.membersOf(declarations.exportOf(path, type)), await schemaOf(path), declarations)).trimEnd()
    return captions[index] === undefined ? table : `${captions[index]}\n\n${table}`
  }))
  return [
    `## ${name}\n\n${declarations.commentOfDefault(file)}`,
    needs.length === 0 ? '' : `Needs ${new Intl.ListFormat('en-GB').format(needs.map(need => `\`${need}\``))}.`,
    ...tables.length === 0 ? ['It has no options.'] : tables,
    note ?? '',
    ...additions(file, declarations)
  ].filter(text => text !== '').join('\n\n') + '\n\n'
}

function needsOf (name: string): string[] {
  const { dependencies = [] } = (exported[name as keyof typeof exported] as unknown as Record<symbol, { dependencies?: string[] }>)[Symbol.for('plugin-meta')] ?? {}
  return dependencies.map(dependency => dependency.replace('portcullis-', '').replaceAll(/-(\w)/g, (_dash, letter: string) => letter.toUpperCase()))
}

function additions (file: string, declarations: Declarations): string[] {
  const parts = declarations.additionsTo(file, './portcullis.ts', 'Portcullis').map(part => partSection(part, declarations))
  const decorators = (['FastifyRequest', 'FastifyReply'] as const).flatMap(owner => declarations.additionsTo(file, 'fastify', owner).map(member => [`${owner === 'FastifyRequest' ? 'request' : 'reply'}.${member.text}`, member.comment]))
  const alone = parts.flatMap(({ row }) => row === null ? [] : [row])
  return [
    ...parts.flatMap(({ section }) => section ?? []),
    ...[...alone, ...decorators].length === 0 ? [] : [membersTable('addition', [...alone, ...decorators]).trimEnd()]
  ]
}

/** Returns a part with methods as a section, and any other part as a row. */
function partSection (part: Member, declarations: Declarations): { section: string | null, row: string[] | null } {
  const name = `app.portcullis.${part.name}`
  const found = declarations.interfaceOf(part)
  if (found === null || found.name === 'Store') return { section: null, row: [`app.portcullis.${part.text}`, part.comment] }
  const members = declarations.membersOf(found).map(({ text, comment }) => [text, comment])
  return { section: `### ${name}\n\n${part.comment === '' ? '' : `${part.comment}\n\n`}${membersTable('member', members).trimEnd()}`, row: null }
}

function optionRows (members: Member[], schema: Record<string, TSchema>, declarations: Declarations, path = ''): string[][] {
  const names = new Set([...Object.keys(schema), ...members.map(({ name }) => name)])
  return [...names].flatMap(name => {
    const member = members.find(member => member.name === name)
    if (member === undefined) throw new Error(`${path}${name} is not declared`)
    const option: Option = schema[name] ?? {}
    const row = [`${path}${name}`, valueOf(option, member), isRequired(option, member) ? 'required' : defaultOf(option), member.comment]
    const nested = option.properties ?? option.items?.properties
    if (nested === undefined) return [row]
    return [row, ...optionRows(declarations.nestedOf(member), nested, declarations, `${path}${name}${option.items === undefined ? '' : '[]'}.`)]
  })
}

/** The members of an option's schema that this script reads. */
interface Option {
  type?: string
  default?: unknown
  unit?: string
  bounds?: { minimum: string, maximum: string }
  minimum?: number
  maximum?: number
  const?: string
  anyOf?: Option[]
  items?: Option
  properties?: Record<string, TSchema>
  [OptionalKind]?: unknown
}

function isRequired (option: Option, { isOptional }: Member): boolean {
  return !isOptional && option.default === undefined && option[OptionalKind] === undefined
}

/** Returns the value that an option takes: in words if its schema has them, otherwise its type. */
function valueOf (option: Option, { type }: Member): string {
  const { anyOf = [], minimum, maximum } = option
  const literals = (option.const === undefined ? anyOf : [option]).map(branch => branch.const)
  if (literals.length > 0 && !literals.includes(undefined)) return literals.map(literal => code(`'${literal}'`)).join(', ')
  if (option.unit === 'duration') return option.bounds === undefined ? 'duration' : `duration, \`${option.bounds.minimum}\` to \`${option.bounds.maximum}\``
  if (option.type === 'integer') return maximum === undefined ? `integer, at least ${minimum}` : `integer, ${minimum} to ${maximum}`
  if (option.items?.properties !== undefined) return 'list of groups'
  return option.properties === undefined ? code(type) : 'group'
}

function defaultOf ({ default: value, unit }: Option): string {
  if (value === undefined || (typeof value === 'object' && JSON.stringify(value) === '{}')) return ''
  return unit === 'duration' && typeof value === 'number' ? code(`${value / 1000}s`) : code(typeof value === 'string' ? `'${value}'` : JSON.stringify(value))
}

function * serverRows (declarations: Declarations): Generator<string[]> {
  const defaults = defaultsOf(limits) as Record<string, number>
  for (const { name, type, comment } of declarations.membersOf(declarations.exportOf('plugins/server-options.ts', 'ServerOptions'))) yield [name, code(name === 'logger' ? 'FastifyServerOptions[\'logger\']' : type), defaults[name] === undefined ? '' : code(String(defaults[name])), name === 'logger' ? 'The logger of Fastify.' : comment]
}

function routeSection ({ name, file, options = [] }: Documented, declarations: Declarations): string {
  const rows = options.flatMap(type => optionRows(declarations.membersOf(declarations.exportOf(file, type)), {}, declarations))
  return `### ${name}\n\n${declarations.commentOf(declarations.exportOf('index.ts', name))}\n\n${rows.length === 0 ? 'It has no options but the prefix.\n\n' : optionsTable(rows)}`
}

function typeSection (name: string, file: string, declarations: Declarations): string {
  const symbol = declarations.exportOf(file, name)
  const comment = declarations.commentOf(symbol)
  return `### ${name}\n\n${comment === '' ? '' : `${comment}\n\n`}${membersTable('member', declarations.membersOf(symbol).map(({ text, comment }) => [text, comment]))}`
}

function sessionSection (): string {
  const rows = Object.entries(Session.properties).map(([name, property]) => [name, (property as TSchema).description ?? ''])
  return `### SessionView\n\nA session as its owner sees it, in the responses of \`reply.openSession\` and of the endpoints.\n\n${membersTable('member', rows)}`
}

function sourceSection (name: string, declarations: Declarations): string {
  const symbol = declarations.exportOf('index.ts', name)
  return `### ${name}\n\n${declarations.commentOf(symbol)}\n\n\`\`\`ts\n${declarations.sourceOf(symbol)}\n\`\`\`\n\n`
}

function optionsTable (rows: string[][]): string {
  return table(['option', 'value', 'default', 'meaning'], rows.map(([name = '', ...others]) => [code(name), ...others]))
}

function membersTable (head: string, rows: string[][]): string {
  return table([head, 'meaning'], rows.map(([text = '', meaning = '']) => [code(text), meaning]))
}

function table (head: string[], rows: string[][]): string {
  return `${[head, head.map(() => '---'), ...rows.map(row => row.map(escape))].map(cells => `| ${cells.join(' | ')} |\n`).join('').replaceAll(/\| {2}(?=\|)/g, '| ')}\n`
}

function code (text: string): string {
  return `\`${text}\``
}

/** Escapes what would end a cell, and what would be an element outside of code. */
function escape (cell: string): string {
  return cell.replaceAll('|', '\\|').split('`').map((part, index) => index % 2 === 0 ? part.replaceAll('<', '\\<') : part).join('`')
}

if (import.meta.main) process.stdout.write(await pluginReference())
