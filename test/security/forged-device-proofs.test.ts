import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import t, { type Test } from 'tap'
import { createFaultyStore, type FaultyStore } from '../helpers/build-app.ts'
import { post, startGateway } from '../helpers/build-gateway.ts'
import { challengeOf, createDevice, deviceCookieOf, refresh, register, signInBound, signInToBind, signJws } from '../helpers/device.ts'
import { assertProblem } from '../helpers/problem.ts'

/*
 * Somebody who has the cookies of a bound session, but not its key, tries to renew the device cookie all the same: with a proof that
 * says it needs no signature, that is signed with the public key as if it were a shared secret, that brings a key of its own along, or
 * that was made for another session, another purpose or another time. Or binds a session with a proof that is none.
 */

const on = { session: { deviceBound: {} } }
const minute = 60_000
const none = (): Buffer => Buffer.alloc(0)

async function refuses (t: Test, response: Response, message: string): Promise<void> {
  t.same(response.headers.getSetCookie(), [], message)
  await assertProblem(t, response, 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED', message)
}

t.test('a registration counts in its one form alone', async t => {
  const { url, store } = await startGateway(t, on)
  const { cookie, sid, challenge } = await signInToBind(url)
  const device = createDevice()
  const { jwk, privateKey } = device
  const privateJwk = privateKey.export({ format: 'jwk' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const ed = generateKeyPairSync('ed25519')
  const es = (key: typeof privateKey) => (input: Buffer) => sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' })
  const typ = 'dbsc+jwt'
  const payload = { jti: challenge }
  const good = device.register(challenge)
  const [header, body, signature] = good.split('.') as [string, string, string]
  const offCurve = { ...jwk, y: `${'A'.repeat(42)}E` }

  const forged: Record<string, string | undefined> = {
    'no proof': undefined,
    'an empty one': '',
    'no signature': `${header}.${body}.`,
    none: signJws({ alg: 'none', jwk, typ }, payload, none),
    'none with a signature': device.register(challenge, { header: { alg: 'none' } }),
    nOnE: device.register(challenge, { header: { alg: 'nOnE' } }),
    HS256: signJws({ alg: 'HS256', jwk, typ }, payload, input => createHmac('sha256', createPublicKey(privateKey).export({ type: 'spki', format: 'pem' })).update(input).digest()),
    RS256: signJws({ alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }), typ }, payload, input => sign('sha256', input, rsa.privateKey)),
    'RSA under ES256': signJws({ alg: 'ES256', jwk: rsa.publicKey.export({ format: 'jwk' }), typ }, payload, input => sign('sha256', input, rsa.privateKey)),
    'P-384': signJws({ alg: 'ES256', jwk: p384.publicKey.export({ format: 'jwk' }), typ }, payload, es(p384.privateKey)),
    ES384: signJws({ alg: 'ES384', jwk: p384.publicKey.export({ format: 'jwk' }), typ }, payload, input => sign('sha384', input, { key: p384.privateKey, dsaEncoding: 'ieee-p1363' })),
    EdDSA: signJws({ alg: 'EdDSA', jwk: ed.publicKey.export({ format: 'jwk' }), typ }, payload, input => sign(null, input, ed.privateKey)),
    'a private key': device.register(challenge, { header: { jwk: privateJwk } }),
    'no key': device.refresh(challenge),
    'a key that is a text': device.register(challenge, { header: { jwk: 'x' } }),
    'a key that is null': device.register(challenge, { header: { jwk: null } }),
    'a point that is not on the curve': device.register(challenge, { header: { jwk: offCurve } }),
    'a key of another curve by its word': device.register(challenge, { header: { jwk: { ...jwk, crv: 'P-384' } } }),
    'a key of another kind by its word': device.register(challenge, { header: { jwk: { ...jwk, kty: 'OKP' } } }),
    'the key of another': device.register(challenge, { header: { jwk: createDevice().jwk } }),
    'a coordinate that is too short': device.register(challenge, { header: { jwk: { ...jwk, x: jwk.x?.slice(1) } } }),
    'a coordinate that has another spelling': device.register(challenge, { header: { jwk: { ...jwk, x: `${jwk.x ?? ''}=` } } }),
    'a critical extension': device.register(challenge, { header: { crit: ['b64'], b64: false } }),
    'another typ': device.register(challenge, { header: { typ: 'JWT' } }),
    'no typ': device.register(challenge, { header: { typ: undefined } }),
    'a DER signature': signJws({ alg: 'ES256', jwk, typ }, payload, input => sign('sha256', input, privateKey)),
    'zeros for a signature': `${header}.${body}.${Buffer.alloc(64).toString('base64url')}`,
    'another payload under the signature': `${header}.${Buffer.from(JSON.stringify({ ...payload, a: 1 })).toString('base64url')}.${signature}`,
    'a challenge of our own': device.register('A'.repeat(56)),
    'a challenge that is a number': device.register(challenge, { payload: { jti: 1 } }),
    'no challenge': device.register(challenge, { payload: { jti: undefined } }),
    'two proofs': `${good}, ${good}`,
    'a proof that goes on for ever': device.register(challenge, { payload: { pad: 'x'.repeat(4000) } })
  }
  for (const [what, proof] of Object.entries(forged)) {
    await refuses(t, await (proof === undefined ? post(`${url}/auth/device/register`, undefined, { cookie }) : register(url, cookie, proof)), what)
  }

  t.equal((await store.read(sid))?.device, null)
  t.equal((await register(url, cookie, good)).status, 200)
})

t.test('a challenge is good for one session, one purpose and one time', async t => {
  const { url, advance } = await startGateway(t, on)
  const [one, other] = [await signInToBind(url), await signInToBind(url)]
  const bound = await signInBound(url)
  const device = createDevice()

  await refuses(t, await register(url, one.cookie, device.register(other.challenge)), 'of another session')
  await refuses(t, await register(url, one.cookie, device.register(bound.next)), 'of a renewal')
  await refuses(t, await refresh(url, bound.cookie, bound.sid, bound.device.refresh(bound.challenge)), 'of a registration')
  await refuses(t, await refresh(url, bound.cookie, bound.sid, bound.device.refresh(bound.deviceCookie.split('=')[1]!)), 'a device cookie is no challenge')
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: `${bound.cookie}; ${bound.deviceCookie.split('=')[0]!}=${bound.next}` } })).status, 401, 'and no challenge is a device cookie')
  const another = await signInBound(url)
  await refuses(t, await refresh(url, bound.cookie, bound.sid, bound.device.refresh(another.next)), 'of another bound session')
  const shifted = Buffer.from(bound.next, 'base64url')
  shifted.writeUIntBE(shifted.readUIntBE(4, 6) + 3_600_000, 4, 6)
  await refuses(t, await refresh(url, bound.cookie, bound.sid, bound.device.refresh(shifted.toString('base64url'))), 'with another end')
  t.equal((await refresh(url, bound.cookie, bound.sid, bound.device.refresh(bound.next))).status, 200)
  await refuses(t, await refresh(url, bound.cookie, bound.sid, bound.device.refresh(bound.next)), 'used')
  advance(5 * minute)
  await refuses(t, await register(url, one.cookie, device.register(one.challenge)), 'expired')
  advance(minute)
  await refuses(t, await refresh(url, another.cookie, another.sid, another.device.refresh(another.next)), 'expired')
})

t.test('a registration that was copied whole gives no device cookie once the binding is in force', async t => {
  const { url, store } = await startGateway(t, on)
  for (const show of ['cookie', 'proof'] as const) {
    const { cookie, sid, challenge } = await signInToBind(url)
    const device = createDevice()
    const copied = device.register(challenge)
    const first = await register(url, cookie, copied)
    t.equal((await register(url, cookie, copied)).status, 200, 'its answer was lost, so the browser may repeat it')

    if (show === 'cookie') t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: `${cookie}; ${deviceCookieOf(first)}` } })).status, 200)
    else t.equal((await refresh(url, cookie, sid, device.refresh(challengeOf(await refresh(url, cookie, sid))))).status, 200)

    await refuses(t, await register(url, cookie, copied), show)
    await refuses(t, await register(url, cookie, device.register(challenge)), 'signed anew')
    t.match(await store.read(sid), { device: { renewals: 1 } })
  }
})

t.test('of many proofs for one challenge that come at once, one counts', async t => {
  let faulty: FaultyStore | null = null
  const { url, store } = await startGateway(t, on, { wrapStore: store => (faulty = createFaultyStore(store)).store })
  const { cookie, sid, device, next } = await signInBound(url)
  const offered = await signInToBind(url)

  const late = await signInBound(url)
  faulty!.before('renewDevice', async () => { t.equal((await refresh(url, late.cookie, late.sid, late.device.refresh(late.next))).status, 200) })
  t.equal((await refresh(url, late.cookie, late.sid, late.device.refresh(late.next))).status, 403, 'overtaken between the check and the store')

  const renewals = await Promise.all(Array.from({ length: 12 }, async () => await refresh(url, cookie, sid, device.refresh(next))))
  const registrations = await Promise.all(Array.from({ length: 12 }, async () => await register(url, offered.cookie, createDevice().register(offered.challenge))))

  for (const answers of [renewals, registrations]) {
    t.equal(answers.filter(({ status }) => status === 200).length, 1)
    t.equal(answers.filter(({ status }) => status === 403).length, 11)
    t.equal(answers.filter(answer => deviceCookieOf(answer) !== '').length, 1)
  }
  t.match(await store.read(sid), { device: { renewals: 2 } })
})

t.test('a renewal takes the key that the session was bound to, whatever key the proof brings along', async t => {
  const { url } = await startGateway(t, on)
  const { cookie, sid, device, next } = await signInBound(url)
  const thief = createDevice()

  await refuses(t, await refresh(url, cookie, sid, thief.refresh(next)), 'another key')
  await refuses(t, await refresh(url, cookie, sid, thief.register(next)), 'another key, brought along')
  await refuses(t, await refresh(url, cookie, sid, thief.refresh(next, { header: { jwk: device.jwk } })), 'another key under the right one’s name')
  await refuses(t, await refresh(url, cookie, sid, signJws({ alg: 'none', typ: 'dbsc+jwt' }, { jti: next }, none)), 'none')
  await refuses(t, await refresh(url, cookie, sid, signJws({ alg: 'HS256', typ: 'dbsc+jwt' }, { jti: next }, input => createHmac('sha256', `${device.jwk.x ?? ''}${device.jwk.y ?? ''}`).update(input).digest())), 'HS256')
  await refuses(t, await refresh(url, cookie, sid, ''), 'an empty proof')
  const again = await refresh(url, cookie, sid, thief.refresh(next))
  t.equal((await refresh(url, cookie, sid, device.refresh(challengeOf(again)))).status, 200, 'none of it has cost the owner anything')
})
