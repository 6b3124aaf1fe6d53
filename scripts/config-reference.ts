import type { TSchema } from '@sinclair/typebox'
import { configSchema } from '../config/schema.ts'

/** The members of a setting's schema that this script reads. */
interface Setting {
  type?: string
  description?: string
  default?: unknown
  expects?: string
  words?: string[]
  unit?: string
  minimum?: string | number
  maximum?: string | number
  const?: string
  properties?: Record<string, TSchema>
  required?: string[]
  items?: TSchema
  anyOf?: TSchema[]
}

const opening = `# Configuration

This page lists every setting. \`npm run docs\` generates it from the schema with which the gateway checks its configuration. [Configuring](../guides/configuring.md) shows a complete configuration and describes the behaviour behind its larger settings.

The configuration is one file: \`.yaml\`, \`.json\`, or \`.ts\`/\`.js\` with a default export. Paths are relative to it. Durations are strings with a unit: \`500ms\`, \`30s\`, \`15m\`, \`24h\`, \`30d\`; so are sizes: \`512B\`, \`16KiB\`, \`1MiB\`.

\`\${NAME}\` in a string is replaced by the environment variable, which must be set. \`\${file:PATH}\` is replaced by the content of the file without its last newline: at most 64 KiB of UTF-8, not empty. The path is relative to the configuration and must not contain \`}\`. Both may stand in the middle of a string, and the inserted text is not expanded again; \`$\${\` stands for a literal \`\${\`. Inside an address (\`redis://:\${file:/run/secrets/redis}@host\`) the file must contain the password percent-encoded. An unknown setting is an error. \`portcullis check --config FILE\` reports all errors at once.

| setting | value | default | meaning |
| --- | --- | --- | --- |
`

/** Returns the text of docs/reference/configuration.md. */
export function configReference (): string {
  return opening + rowsOf(configSchema, '').map(row => `| ${row.join(' | ')} |\n`).join('')
}

function rowsOf (schema: TSchema, path: string): string[][] {
  const { properties = {}, required = [] } = schema as Setting
  return Object.entries(properties).flatMap(([name, child]) => rowsOfSetting(child, path === '' ? name : `${path}.${name}`, required.includes(name)))
}

function rowsOfSetting (schema: TSchema, path: string, isRequired: boolean): string[][] {
  const setting = schema as Setting
  if (setting.const !== undefined) return []
  const groups = setting.anyOf?.filter(branch => (branch as Setting).properties !== undefined) ?? []
  const own = [`\`${path}\``, valueOf(setting, groups), defaultOf(setting, isRequired), meaningOf(setting)]
  if (setting.properties !== undefined) return [own, ...rowsOf(schema, path)]
  if (groups.length > 0) return [own, ...groups.flatMap(group => [variantOf(group as Setting, path), ...rowsOf(group, path)])]
  const item = setting.items as Setting | undefined
  return item?.properties === undefined ? [own] : [own, ...rowsOf(setting.items as TSchema, `${path}[]`)]
}

function variantOf (group: Setting, path: string): string[] {
  const type = String((group.properties?.['type'] as Setting | undefined)?.const)
  return [`\`${path}.type: ${type}\``, '', '', group.description ?? '']
}

function valueOf (setting: Setting, groups: TSchema[]): string {
  const { unit, minimum, maximum, words, properties, items, expects = '' } = setting
  if (properties !== undefined) return 'group'
  if ((items as Setting | undefined)?.properties !== undefined) return 'list of groups'
  if (words !== undefined) return words.map(word => `\`${word}\``).join(', ')
  if (groups.length > 0) return expects.replace(/^a /, '')
  if (typeof minimum === 'string') return `${unit}, \`${minimum}\` to \`${maximum}\``
  if (typeof minimum === 'number') return `${minimum} to ${maximum}`
  return expects.replace(/^an? /, '').replaceAll('|', '\\|')
}

function defaultOf ({ default: value }: Setting, isRequired: boolean): string {
  if (isRequired) return 'required'
  if (value === undefined || (typeof value === 'object' && JSON.stringify(value) === '{}')) return ''
  if (typeof value === 'string') return `\`${value}\``
  return `\`${JSON.stringify(value)}\``
}

function meaningOf ({ description = '' }: Setting): string {
  return description.replaceAll('|', '\\|').replaceAll('<', '\\<')
}
