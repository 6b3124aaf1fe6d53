import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { usage } from '../cli/usage.ts'
import { loadConfig } from '../config/load.ts'
import { configSchema } from '../config/schema.ts'
import { addUser } from '../identity/edit-users.ts'
import * as errors from '../lib/errors.ts'
import { configReference } from '../scripts/config-reference.ts'
import { runMain } from './helpers/portcullis.ts'

const read = async (file: string): Promise<string> => await readFile(new URL(`../${file}`, import.meta.url), 'utf8')
const readme = await read('README.md')

/** The text of the first block of a language, or every one. */
function blocks (text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].filter(([, name]) => name === language).map(([,, block]) => block ?? '')
}

/** The first cells of every row of the table under a heading. */
function cells (heading: string, columns: number): string[][] {
  const section = readme.split(/^#+ /m).find(part => part.startsWith(`${heading}\n`)) ?? ''
  const rows = section.split('\n').filter(line => line.startsWith('| ')).slice(2)
  return rows.map(row => row.split('|').slice(1, columns + 1).map(cell => cell.trim().replaceAll('`', '')))
}

t.test('the configurations of README are good', async t => {
  const [complete = '', first = ''] = blocks(readme, 'yaml')
  const folder = t.testdir({ 'complete.yaml': complete, 'first.yaml': first })

  const env = { PORTCULLIS_SECRET: randomBytes(32).toString('base64url'), ADMIN_TOKEN: randomUUID() }

  t.match(await loadConfig(join(folder, 'complete.yaml'), env), { origin: 'https://app.example.com', store: { type: 'sqlite' }, upstreams: [{ prefix: '/orders', audience: 'orders' }] })
  t.match(await loadConfig(join(folder, 'first.yaml'), {}), { origin: 'http://localhost:8080', upstreams: [{ prefix: '/orders' }] })
})

t.test('check has nothing to warn of in the complete configuration of README', async t => {
  const [complete = ''] = blocks(readme, 'yaml')
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const folder = t.testdir({ 'gateway.yaml': complete, 'jwks.json': JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }) })
  await addUser(join(folder, 'users.json'), 'ada', 'a long passphrase', { scopes: ['orders:read'] })

  const { code, stdout, stderr } = await runMain(['check', '--config', join(folder, 'gateway.yaml')], { env: { PORTCULLIS_SECRET: randomBytes(32).toString('base64url'), ADMIN_TOKEN: randomUUID() } })

  t.same([code, stderr], [0, ''])
  t.notMatch(stdout, /^warning/m)
})

t.test('README shows what check says of its first gateway', async t => {
  const [, first = ''] = blocks(readme, 'yaml')
  const folder = t.testdir({ 'gateway.yaml': first })
  await addUser(join(folder, 'users.json'), 'ada', 'a long passphrase', { scopes: ['orders:read'] })

  const { stdout } = await runMain(['check', '--config', join(folder, 'gateway.yaml')])

  t.ok(blocks(readme, '').includes(stdout.replaceAll(folder, '/srv/gateway')), stdout)
})

t.test('no document holds a secret that somebody could copy', async t => {
  for (const file of ['README.md', 'docs/guides/composing.md', 'docs/reference/configuration.md', 'docs/guides/operating.md', 'examples/gateway.config.yaml', 'examples/portcullis.config.ts']) {
    t.notMatch(await read(file), /secret['"]?: +['"]?[A-Za-z0-9_-]{40}/, file)
  }
})

t.test('the configuration of README has every setting that is supported', async t => {
  const [yaml = ''] = blocks(readme, 'yaml')
  const { upstreams: [upstream], ...gateway } = parse(yaml.replaceAll(/\$\{(\w+)\}/g, '$1')) as { upstreams: [object] }
  const known = ({ properties }: { properties: object }) => Object.keys(properties)

  t.same([...Object.keys(gateway), 'upstreams'].sort(), known(configSchema).sort())
  t.same(Object.keys(upstream).sort(), known((configSchema.properties.upstreams as unknown as { items: { properties: object } }).items).sort())
})

t.test('the table of errors in README has every code with its status, and no other', async t => {
  const documented = cells('Errors', 2).map(([code, status]) => `${code} ${status}`)
  const raised = Object.values(errors).map(ErrorClass => new ErrorClass()).map(({ code, statusCode }) => `${code} ${code === 'PTC_ERR_CONFIG_INVALID' ? 'exit 1' : statusCode}`)

  t.same(documented.sort(), raised.sort())
})

t.test('README shows the usage of the command line as it is', async t => {
  t.ok(blocks(readme, '').includes(usage))
})

t.test('the examples in the documentation are the ones that are tested', async t => {
  const example = async (name: string) => (await read(`examples/${name}.ts`)).replace("'../index.ts'", "'portcullis'")
  const composing = blocks(await read('docs/guides/composing.md'), 'ts')

  t.ok(blocks(readme, 'ts').includes(await example('own-jwt-with-blocklist')))
  t.ok(composing.includes(await example('refresh-tokens')))
  t.ok(composing.includes(await example('authenticate')))
})

t.test('the reference of the configuration is what the schema says: npm run docs', async t => {
  t.equal(await read('docs/reference/configuration.md'), configReference())
})

t.test('links between the documents lead somewhere', async t => {
  for (const file of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/guides/browser.md', 'docs/guides/composing.md', 'docs/guides/operating.md', 'docs/guides/scaling.md', 'docs/guides/tutorial.md', 'docs/threat-model.md']) {
    const text = await read(file)
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      // The harness of the benches writes its own.
      if (!target.includes('.')) continue
      await t.resolves(readFile(new URL(target, new URL(`../${file}`, import.meta.url))), `${file}: ${target}`)
    }
  }
})
