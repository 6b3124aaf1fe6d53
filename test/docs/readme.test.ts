import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import { addUser } from '../../users/edit-users.ts'
import { readmePage } from '../../scripts/readme-page.ts'
import { blocksOf, readDocument } from '../helpers/documents.ts'
import { runMain } from '../helpers/portcullis.ts'

const readme = await readDocument('README.md')
const [first = ''] = blocksOf(readme, 'yaml')

t.test('README has at most 1,200 words', async t => {
  t.ok(readme.split(/\s+/).filter(word => word !== '').length <= 1200)
})

t.test('README names the commands that start the demo and run the tests', async t => {
  t.same(blocksOf(readme, 'sh').slice(0, 2), ['npm ci && npm start\n', 'npm cit\n'])
})

t.test('the figures of README are the results of the benches: npm run docs', async t => {
  t.equal(readme, await readmePage(readme))
})

t.test('the table of README needs its place', async t => {
  await t.rejects(readmePage(readme.replace('<!-- peers -->', '')), /README\.md: <!-- peers --> … <!-- \/peers --> is missing/)
})

t.test('the first configuration of README is good', async t => {
  const folder = t.testdir({ 'first.yaml': first })

  t.match(await loadConfig(join(folder, 'first.yaml'), {}), { origin: 'http://localhost:8080', upstreams: [{ prefix: '/orders' }] })
})

t.test('README shows what check says of its first gateway', async t => {
  const folder = t.testdir({ 'gateway.yaml': first })
  await addUser(join(folder, 'users.json'), 'ada', 'a long passphrase', { scopes: ['orders:read'] })

  const { stdout } = await runMain(['check', '--config', join(folder, 'gateway.yaml')])

  t.ok(blocksOf(readme, '').includes(stdout.replaceAll(folder, '/srv/gateway')), stdout)
})

t.test('the examples in the documentation are the ones that are tested', async t => {
  const example = async (name: string) => (await readFile(new URL(`../../examples/${name}.ts`, import.meta.url), 'utf8')).replaceAll("'../index.ts'", "'portcullis'")
  const composing = blocksOf(await readDocument('docs/guides/composing.md'), 'ts')

  t.ok(blocksOf(readme, 'ts').includes(await example('own-jwt-with-blocklist')))
  for (const name of ['own-login', 'service', 'refresh-tokens', 'own-data', 'second-factor']) t.ok(composing.includes(await example(name)), name)
  t.ok(composing.includes(await example('authenticate')))
})
