import t from 'tap'
import { isSignedBy, parseProof } from '../../../lib/session/device-proof.ts'
import { createDevice } from '../../helpers/device.ts'

t.test('a proof says what was signed, and with which key', async t => {
  const device = createDevice()
  const { x = '', y = '' } = device.jwk
  const [registration, renewal] = [parseProof(device.register('challenge')), parseProof(device.refresh('challenge'))]

  t.match(registration, { challenge: 'challenge', publicKey: x + y })
  t.match(renewal, { challenge: 'challenge', publicKey: null })
  for (const proof of [registration!, renewal!]) {
    t.ok(isSignedBy(x + y, proof))
    t.notOk(isSignedBy(y + x, proof), 'no point of the curve')
    t.notOk(isSignedBy('', proof))
    const other = createDevice().jwk
    t.notOk(isSignedBy(`${other.x ?? ''}${other.y ?? ''}`, proof))
  }
})

t.test('members that mean nothing here are left alone', async t => {
  const device = createDevice()

  t.match(parseProof(device.register('challenge', { header: { jwk: { ...device.jwk, alg: 'ES256', use: 'sig' } }, payload: { aud: 'x', iat: 1 } })), { challenge: 'challenge' })
})

t.test('a proof of any other form is none', async t => {
  const device = createDevice()
  const good = device.refresh('challenge')

  for (const text of ['', 'a.b.c', ` ${good}`, `${good}=`, `${good}.`, good.replaceAll('.', ' '), device.refresh('x'.repeat(3000))]) t.equal(parseProof(text), null, text.slice(0, 20))
  for (const header of [{ alg: 'none' }, { alg: ['ES256'] }, { typ: 'dbsc' }, { typ: 'DBSC+JWT' }, { crit: [] }]) t.equal(parseProof(device.refresh('challenge', { header })), null, JSON.stringify(header))
})
