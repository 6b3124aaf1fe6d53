import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { SessionData } from '../../lib/own-data.ts'
import { open } from '../../stores/contract/fixtures.ts'
import { sharedStores } from '../helpers/stores.ts'

const object = fc.dictionary(fc.string({ unit: 'binary' }).filter(name => name !== '__proto__'), fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' })).map(data => JSON.parse(JSON.stringify(data)) as SessionData)

for (const [name, create] of sharedStores) {
  t.test(`the data of any JSON object comes back as it was: ${name}`, async t => {
    const [store, other] = await create(t)
    const { sid } = await open(store)

    await t.resolves(fc.assert(fc.asyncProperty(object, async data => {
      assert.deepEqual((await store.replaceData(sid, data))?.data, data)
      assert.deepEqual((await other.read(sid))?.data, data)
    }), { numRuns: 50 }))
  })
}
