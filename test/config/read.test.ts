import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../config/load.ts'
import { readInput } from '../../config/read.ts'
import { ConfigInvalidError } from '../../lib/errors.ts'

async function errorOf (t: Test, name: string, text: string): Promise<string> {
  const directory = t.testdir({ [name]: text })
  const error: unknown = await readInput(join(directory, name)).catch((error: unknown) => error)
  return error instanceof ConfigInvalidError ? error.message : ''
}

const yaml = `
origin: https://app.example.com
listen: { port: \${PORT}, trustProxy: [10.0.0.0/8] }
store: { type: redis, url: \${REDIS_URL} }
secret: "\${SECRET}"
session:
  idleTimeout: 15m
identity: { type: users, file: ./users.json }
upstreams:
  - { prefix: /orders, target: http://127.0.0.1:3001, audience: orders, scopes: [orders:read] }
`

const secret = randomBytes(32).toString('base64url')

t.test('a YAML file takes variables also between the braces of a flow mapping', async t => {
  const file = join(t.testdir({ 'portcullis.yaml': yaml }), 'portcullis.yaml')

  const config = await loadConfig(file, { PORT: '8081', REDIS_URL: 'redis://redis:6379', SECRET: secret })
  t.match(config, {
    listen: { port: 8081, trustProxy: ['10.0.0.0/8'] },
    store: { type: 'redis', target: { url: 'redis://redis:6379' } },
    secrets: [secret],
    session: { idleTimeoutMs: 900_000 },
    upstreams: [{ scopes: ['orders:read'] }]
  })
})

t.test('JSON, TypeScript and JavaScript files are read', async t => {
  const directory = t.testdir({
    'a.json': '{ "origin": "https://a.example" }',
    'b.ts': 'const origin: string = "https://b.example"\nexport default { origin }',
    'c.mjs': 'export default { origin: "https://c.example" }'
  })

  t.strictSame(await readInput(join(directory, 'a.json')), { origin: 'https://a.example' })
  t.strictSame(await readInput(join(directory, 'b.ts')), { origin: 'https://b.example' })
  t.strictSame(await readInput(join(directory, 'c.mjs')), { origin: 'https://c.example' })
})

const broken: Array<[reason: string, name: string, text: string, line: string]> = [
  ['a setting that stands twice in YAML', 'p.yaml', 'origin: a\nlog: {}\norigin: b\n', 'p.yaml:3: has a setting twice; remove one of them'],
  ['a setting that stands twice in JSON', 'p.json', '{\n"origin": "a",\n"origin": "b"\n}', 'p.json:3: has a setting twice; remove one of them'],
  ['YAML with a bad indentation', 'p.yml', 'session:\n  idleTimeout: 5m\n absoluteTimeout: 1h\n', 'p.yml:3: is not valid YAML (bad indent); check the indentation and put unusual texts in quotes'],
  ['an alias of nothing', 'p.yaml', 'secret: *correct\n', 'p.yaml: has aliases that cannot be resolved; write the values out, or put texts that start with * in quotes'],
  ['a tag', 'p.yaml', 'secret: !correct horse\n', 'p.yaml:1: is not valid YAML (tag resolve failed); check the indentation and put unusual texts in quotes'],
  ['JSON with a comma too many', 'p.json', '{\n"origin": "a",\n}', 'p.json:3: is not valid JSON; check commas, quotes and brackets there'],
  ['JSON with a word outside quotes', 'p.json', '{\n"on": true,\n"secret": correct\n}', 'p.json:3: is not valid JSON; check commas, quotes and brackets there'],
  ['JSON that ends too early', 'p.json', '{', 'p.json:1: is not valid JSON; check commas, quotes and brackets there'],
  ['a module without a default export', 'p.ts', 'export const origin = 1', 'p.ts: has no default export; write export default defineConfig({ … })'],
  ['a module that throws', 'q.ts', 'throw new Error("first\\nsecond")', 'q.ts: cannot be loaded: first'],
  ['a file of another kind', 'p.toml', '', 'p.toml: is no configuration file; name one that ends in .yaml, .json, .ts or .js']
]

for (const [reason, name, text, line] of broken) {
  t.test(`${reason} is refused in one line`, async t => {
    t.equal(await errorOf(t, name, text), line)
  })
}

t.test('a file that is not there is named', async t => {
  await t.rejects(readInput('/nowhere/portcullis.yaml'), { message: '/nowhere/portcullis.yaml: cannot be read (ENOENT); give --config the path of the file' })
})

t.test('an empty file is no configuration', async t => {
  const file = join(t.testdir({ 'p.yaml': '# nothing\n' }), 'p.yaml')

  await t.rejects(loadConfig(file, {}), { code: 'PTC_ERR_CONFIG_INVALID', message: /^configuration: / })
})
