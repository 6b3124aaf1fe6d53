import t from 'tap'
import { generateKey, importKey, openKey, sealKey } from '../../../lib/jwt/signing-key.ts'
import { deriveSecret } from '../../../lib/secrets.ts'

const secret = deriveSecret(Buffer.alloc(32, 1).toString('base64url'))
const other = deriveSecret(Buffer.alloc(32, 2).toString('base64url'))
const key = importKey(generateKey('ES256'), 'ES256', { createdAtMs: 42, signsFromMs: 42 })

t.test('a sealed key opens as the same key', async t => {
  const opened = openKey([other, secret], sealKey(secret, key))

  t.match(opened, { kid: key.kid, algorithm: 'ES256', createdAtMs: 42 })
  t.ok(opened?.privateKey.equals(key.privateKey))
})

t.test('another secret does not open it', async t => {
  t.equal(openKey([other], sealKey(secret, key)), null)
})

t.test('a key that was given another name or algorithm does not open', async t => {
  const sealed = sealKey(secret, key)

  t.equal(openKey([secret], { ...sealed, kid: 'another' }), null)
  t.equal(openKey([secret], { ...sealed, algorithm: 'RS256' }), null)
})

t.test('the sealed form shows nothing of the private key', async t => {
  const { d } = key.privateKey.export({ format: 'jwk' })

  t.notOk(JSON.stringify(sealKey(secret, key)).includes(String(d)))
})
