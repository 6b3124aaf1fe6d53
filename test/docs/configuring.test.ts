import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../config/load.ts'
import { configSchema } from '../../config/schema.ts'
import { addUser } from '../../users/edit-users.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { blocksOf, readDocument, sourceFiles } from '../helpers/documents.ts'
import { runMain } from '../helpers/portcullis.ts'

const [complete = ''] = blocksOf(await readDocument('docs/guides/configuring.md'), 'yaml')
const createEnv = (): Record<string, string> => ({ PORTCULLIS_SECRET: randomBytes(32).toString('base64url'), ADMIN_TOKEN: randomUUID() })

t.test('the complete configuration of the guide is good', async t => {
  const folder = t.testdir({ 'complete.yaml': complete })

  t.match(await loadConfig(join(folder, 'complete.yaml'), createEnv()), { origin: 'https://app.example.com', store: { type: 'sqlite' }, upstreams: [{ prefix: '/orders', audience: 'orders' }] })
})

t.test('check has nothing to warn of in the complete configuration of the guide', async t => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { cert, key } = makeCertificate()
  const folder = t.testdir({ 'gateway.yaml': complete, 'jwks.json': JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }), 'ca.pem': cert, 'client.pem': cert })
  await writeFile(join(folder, 'client.key'), key, { mode: 0o600 })
  await addUser(join(folder, 'users.json'), 'ada', 'a long passphrase', { scopes: ['orders:read'] })

  const { code, stdout, stderr } = await runMain(['check', '--config', join(folder, 'gateway.yaml')], { env: createEnv() })

  t.same([code, stderr], [0, ''])
  t.notMatch(stdout, /^warning/m)
})

t.test('the complete configuration of the guide has every setting that is supported', async t => {
  const { upstreams, ...gateway } = parse(complete.replaceAll(/\$\{(\w+)\}/g, '$1')) as { upstreams: object[] }
  const known = ({ properties }: { properties: object }) => Object.keys(properties)

  t.same([...Object.keys(gateway), 'upstreams'].sort(), known(configSchema).sort())
  t.same([...new Set(upstreams.flatMap(upstream => Object.keys(upstream)))].sort(), known((configSchema.properties.upstreams as unknown as { items: { properties: object } }).items).sort())
})

t.test('no document holds a secret that a reader could copy', async t => {
  const files = [...await sourceFiles(['.md']), 'examples/gateway.config.yaml', 'examples/portcullis.config.ts']
  t.ok(files.includes('docs/guides/operating.md'))

  for (const file of files) t.notMatch(await readDocument(file), /secret['"]?: +['"]?[A-Za-z0-9_-]{40}/, file)
})
