import { tokenKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { claims, entriesAfter, head, keepForMs, open, tokens, unknownSid, claimsOf, type CreateStore } from './fixtures.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export async function tokenRevocation (t: Test, create: CreateStore): Promise<void> {
  const token = { issuer: 'https://gateway.example', jti: 'token-1' }

  t.test('a revoked token is not good any more, and the log says so', async t => {
    const { store, second } = await create(t)
    const other = await second()
    const position = await head(store)
    const expiresAtMs = store.nowMs() + 60_000

    t.equal(await store.isGood(claims(token)), true)
    t.equal(await store.revokeToken({ ...token, expiresAtMs }), undefined)

    t.equal(await other.isGood(claims(token)), false)
    const logged = { kind: 'jti', tokenKey: tokenKeyOf(token.issuer, token.jti), expiresAtMs }
    t.strictSame(await entriesAfter(other, position), [logged])
    t.strictSame((await takeSnapshot(other)).revocations, [logged])
  })

  t.test('a jti that is revoked without an issuer is revoked whoever issued it', async t => {
    const { store } = await create(t)

    await store.revokeToken({ issuer: '', jti: token.jti, expiresAtMs: store.nowMs() + 60_000 })

    t.equal(await store.isGood(claims(token)), false)
    t.equal(await store.isGood(claims({ jti: token.jti })), false)
    t.equal(await store.isGood(claims({ ...token, jti: 'token-2' })), true)
  })

  t.test('the same jti of another issuer stays good', async t => {
    const { store } = await create(t)

    await store.revokeToken({ ...token, expiresAtMs: store.nowMs() + 60_000 })

    t.equal(await store.isGood(claims({ ...token, issuer: 'https://gateway.example/' })), true)
    t.equal(await store.isGood(claims({ issuer: 'https://gateway.example1', jti: 'token-' })), true)
    t.equal(await store.isGood(claims({ issuer: token.jti, jti: token.issuer })), true)
  })

  t.test('a revoked token of a living session is not good, its session’s other tokens are', async t => {
    const { store } = await create(t)
    const record = await open(store, tokens)

    await store.revokeToken({ ...token, expiresAtMs: store.nowMs() + 60_000 })

    t.equal(await store.isGood({ ...claimsOf(record), ...token }), false)
    t.equal(await store.isGood({ ...claimsOf(record), ...token, jti: 'token-2' }), true)
  })

  t.test('a token stays revoked for the longest time that was asked for', async t => {
    const { store } = await create(t)
    const long = store.nowMs() + 60_000

    await store.revokeToken({ ...token, expiresAtMs: long - 30_000 })
    await store.revokeToken({ ...token, expiresAtMs: long })
    await store.revokeToken({ ...token, expiresAtMs: long - 20_000 })
    await store.revokeToken({ ...token, expiresAtMs: long })

    const expiries = (await takeSnapshot(store)).revocations.map(({ expiresAtMs }) => expiresAtMs)
    t.equal(Math.max(...expiries), long)
  })

  t.test('asking for the same again logs nothing', async t => {
    const { store, second } = await create(t)
    const position = await head(store)
    const revocation = { ...token, expiresAtMs: store.nowMs() + 60_000 }

    await store.revokeToken(revocation)
    await (await second()).revokeToken(revocation)

    t.equal((await entriesAfter(store, position)).length, 1)
  })

  t.test('a time that has passed changes nothing', async t => {
    const { store } = await create(t)
    const position = await head(store)

    await store.revokeToken({ ...token, expiresAtMs: store.nowMs() })
    await store.revokeToken({ ...token, expiresAtMs: 0 })

    t.equal(await store.isGood(claims(token)), true)
    t.strictSame(await entriesAfter(store, position), [])
  })

  t.test('any issuer and jti come back from the log by their key', async t => {
    const { store } = await create(t)
    const position = await head(store)
    const expiresAtMs = store.nowMs() + 60_000
    const revoked = [{ issuer: '', jti: '' }, { issuer: 'é|"\'{}', jti: '🦊 \n*' }, { issuer: 'i'.repeat(2000), jti: 'j'.repeat(2000) }]

    for (const one of revoked) await store.revokeToken({ ...one, expiresAtMs })

    const logged = await entriesAfter(store, position)
    t.strictSame(new Set(logged.map(one => JSON.stringify(one))), new Set(revoked.map(({ issuer, jti }) => JSON.stringify({ kind: 'jti', tokenKey: tokenKeyOf(issuer, jti), expiresAtMs }))))
    for (const one of revoked) t.equal(await store.isGood(claims(one)), false)
  })

  t.test('absent claims are not checked', async t => {
    const { store } = await create(t)
    await store.revokeToken({ ...token, expiresAtMs: store.nowMs() + 60_000 })
    await store.revokeSubject('alice', { exceptSid: null, keepForMs })

    t.equal(await store.isGood(claims()), true)
    t.equal(await store.isGood(claims({ issuer: token.issuer })), true)
    t.equal(await store.isGood(claims({ subject: 'alice' })), true)
    t.equal(await store.isGood(claims({ sid: unknownSid })), false)
  })
}
