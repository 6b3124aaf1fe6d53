import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import t from 'tap'

/*
 * A comparison that stops at the first difference tells, by how long it takes, how much of a guess was right: a secret is then found
 * one character after the other. Times on a machine that others use say little, so what is looked at is not the clock but the
 * comparison: for each kind of secret that is presented, the one that decides is timingSafeEqual, and what it is given is the whole.
 */

interface Comparison { left: Buffer, right: Buffer, equal: boolean }

const comparisons: Comparison[] = []
const timingSafeEqual = crypto.timingSafeEqual
crypto.timingSafeEqual = (left, right) => {
  const equal = timingSafeEqual(left, right)
  comparisons.push({ left: Buffer.from(left as Buffer), right: Buffer.from(right as Buffer), equal })
  return equal
}
syncBuiltinESMExports()
t.teardown(() => {
  crypto.timingSafeEqual = timingSafeEqual
  syncBuiltinESMExports()
})

// Only now, so that what they import is the one that is watched.
const { adminToken, startAdministered } = await import('../helpers/admin.ts')
const { post, signIn, signInForTokens } = await import('../helpers/build-gateway.ts')
const { hashPassword, verifyPassword } = await import('../../users/password.ts')

const sha256 = (text: string) => crypto.createHash('sha256').update(text).digest('base64url')

/** The comparisons during some work. */
async function during (work: () => Promise<unknown>): Promise<Comparison[]> {
  comparisons.length = 0
  await work()
  return [...comparisons]
}

const flip = (text: string, at: number) => `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`

t.test('a cookie secret is compared whole, remembered or not', async t => {
  const { url } = await startAdministered(t)
  const { cookie } = await signIn(url)
  const at = cookie.indexOf('.') + 1
  const get = async (value: string) => (await fetch(`${url}/auth/session`, { headers: { cookie: value } })).status
  for (const state of ['not remembered', 'remembered']) {
    for (const position of [at, cookie.length - 2]) {
      const wrong = flip(cookie, position)
      const seen = await during(async () => { t.equal(await get(wrong), 401) })
      const whole = [wrong.slice(at), sha256(wrong.slice(at))]
      t.ok(seen.some(({ right, left, equal }) => !equal && [left, right].some(side => whole.includes(side.toString()))), `${state}: ${position}`)
    }
    const right = await during(async () => { t.equal(await get(cookie), 200) })
    t.ok(right.some(({ equal }) => equal), state)
  }
})

t.test('a session that is signed out by its cookie is compared whole', async t => {
  const { url } = await startAdministered(t)
  const { cookie } = await signIn(url)
  const wrong = flip(cookie, cookie.length - 2)
  const seen = await during(async () => { await post(`${url}/auth/logout`, undefined, { cookie: wrong }) })
  t.ok(seen.some(({ left, right, equal }) => !equal && [left.toString(), right.toString()].includes(sha256(wrong.split('.')[1]!))))
})

t.test('the MAC of a refresh token is compared whole', async t => {
  const { url } = await startAdministered(t)
  const { cookie } = await signInForTokens(url)
  for (const position of [cookie.length - 40, cookie.length - 1]) {
    const bytes = Buffer.from(cookie.split('=')[1]!, 'base64url')
    bytes[bytes.length - 1 - (cookie.length - 1 - position >> 1)]! ^= 1
    const forged = bytes.toString('base64url')
    const seen = await during(async () => { t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: `__Secure-portcullis-refresh=${forged}` })).status, 401) })
    t.ok(seen.some(({ left, right, equal }) => !equal && left.length === 32 && [left, right].some(side => side.equals(bytes.subarray(-32)))))
  }
})

t.test('the token of the operators is compared by its hash, so that not even its length shows', async t => {
  const { admin } = await startAdministered(t)
  for (const wrong of [flip(adminToken, 0), flip(adminToken, adminToken.length - 1), adminToken.slice(0, 5), `${adminToken}x`]) {
    const seen = await during(async () => { t.equal((await fetch(`${admin}/admin/sessions?subject=ada`, { headers: { authorization: `Bearer ${wrong}` } })).status, 401) })
    t.ok(seen.some(({ left, right, equal }) => !equal && [left.toString(), right.toString()].includes(sha256(wrong))), wrong)
  }
})

t.test('a password is compared by its whole hash', async t => {
  const hash = await hashPassword('correct horse', { ln: 10, r: 8, p: 1 })
  const seen = await during(async () => { t.equal(await verifyPassword('correct hors3', hash), false) })
  t.same(seen.map(({ equal, left }) => [equal, left.length >= 32]), [[false, true]])
})
