import Fastify from 'fastify'
import { compileFunction } from 'node:vm'
import t from 'tap'
import { MemoryData, MemoryStore } from '../../examples/memory-store.ts'
import store from '../../plugins/store.ts'
import { storeContract } from '../../stores/contract/contract.ts'
import * as toolkit from '../../stores/toolkit.ts'
import { blocksOf, cellsUnder, readDocument } from '../helpers/documents.ts'

const page = await readDocument('docs/guides/stores.md')
const [registration = '', contract = ''] = blocksOf(page, 'js')

t.test('every function and class of portcullis/store is described', async t => {
  for (const name of Object.keys(toolkit).filter(name => name !== 'isSid' && name !== 'mostNoteBytes')) t.match(page, new RegExp(`\`${name}\\b`), name)
})

t.test('the table of functions has their parameters', async t => {
  for (const [signatures = ''] of cellsUnder(page, 'What a store implements', 1)) {
    for (const [, name = '', parameters = ''] of signatures.matchAll(/(\w+)\(([^)]*)\)/g)) {
      const documented = toolkit[name as keyof typeof toolkit] as (...given: never[]) => unknown
      t.equal(documented.length, parameters.split(', ').length, name)
    }
  }
})

t.test('a store of the application is registered as the page says', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const myStore = new MemoryStore()

  await compileFunction(`return (async () => { ${registration} })()`, ['app', 'store', 'myStore'])(app, store, myStore)

  t.equal(app.portcullis.store, myStore)
})

t.test('the contract is run as the page says', async t => {
  const program = contract.replaceAll(/^import .*\n/gm, '')

  await compileFunction(`return (async () => { ${program} })()`, ['test', 'storeContract', 'MyStore', 'createDatabase'])(t.test.bind(t), storeContract, MemoryStore, async () => new MemoryData())
})
