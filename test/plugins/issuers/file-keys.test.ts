import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { parseKeySet } from '../../../lib/jwt/jwks.ts'
import { FileKeys } from '../../../plugins/issuers/file-keys.ts'

t.test('while the file of keys cannot be used operators are told again and again, and its last keys end after an hour', async t => {
  const jwk = { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' }
  const file = join(t.testdir({ 'keys.json': JSON.stringify({ keys: [jwk] }) }), 'keys.json')
  let nowMs = 0
  const told: unknown[] = []
  const keys = new FileKeys(file, { toKeySet: (bytes, before) => parseKeySet(bytes, ['ES256'], before?.keys), onError: error => told.push(error), now: Date.now }, { now: () => nowMs })
  await keys.start()
  t.teardown(async () => { await keys.stop() })
  const until = async (isDone: () => boolean): Promise<void> => { while (!isDone()) await sleep(20) }
  t.equal(keys.problem(), null)
  t.equal(await keys.lookAgain(), true)

  await rename(file, `${file}.kept`)
  await mkdir(file)
  await until(() => told.length === 1)
  t.equal(keys.problem(), 'the file of keys cannot be used: EISDIR')
  t.equal(await keys.lookAgain(), false, 'an unknown key may be in the file')
  t.not(keys.current(), null)
  nowMs = 60_000
  await until(() => told.length === 2)
  nowMs = 3_599_000
  t.not(keys.current(), null)
  nowMs = 3_600_000 + 60_000
  t.equal(keys.current(), null)

  await rm(file, { recursive: true })
  await writeFile(file, await readFile(`${file}.kept`))
  await until(() => keys.problem() === null)
  t.not(keys.current()?.find('one', 'ES256'), null)
})
