import { argon2Sync } from 'node:crypto'
import t from 'tap'
import { decoyOf, defaultDecoy, hashPassword, isPasswordHash, isQuickToGuess, verifyPassword } from '../../users/password.ts'

const cheap = { ln: 4, r: 8, p: 1 }
const salt = 'AAECAwQFBgcICQoLDA0ODw'
const hash = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'

t.test('a new hash is scrypt at the recommended cost, and never the same twice', async t => {
  const [one, other] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')])

  t.match(one, /^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  t.not(one, other)
  t.ok(isPasswordHash(one))
})

t.test('a hash is verified by its own password alone', async t => {
  const hash = await hashPassword('correct horse', cheap)

  t.ok(await verifyPassword('correct horse', hash))
  t.notOk(await verifyPassword('correct horsf', hash))
  t.notOk(await verifyPassword('', hash))
})

t.test('a letter typed as one character or as two is the same password', async t => {
  t.ok(await verifyPassword('cafe\u0301', await hashPassword('caf\u00e9', cheap)))
})

t.test('a hash of RFC 7914 is verified', async t => {
  // RFC 7914, section 12: scrypt (P="password", S="NaCl", …) has a salt too short for here, so the third vector.
  const key = Buffer.from('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887', 'hex')
  const stored = `$scrypt$ln=14,r=8,p=1$${Buffer.from('SodiumChloride').toString('base64').replaceAll('=', '')}$${key.toString('base64').replaceAll('=', '')}`

  t.ok(await verifyPassword('pleaseletmein', stored))
})

t.test('an argon2id hash is verified', async t => {
  const nonce = Buffer.from(salt, 'base64')
  const tag = argon2Sync('argon2id', { message: 'correct horse', nonce, parallelism: 2, tagLength: 32, memory: 64, passes: 3 })
  const stored = `$argon2id$v=19$m=64,t=3,p=2$${salt}$${tag.toString('base64').replaceAll('=', '')}`

  t.ok(await verifyPassword('correct horse', stored))
  t.notOk(await verifyPassword('correct horsf', stored))
})

t.test('a text that is no hash verifies nothing', async t => {
  for (const text of ['', 'correct horse', '$2b$10$abcdefghijklmnopqrstuv', `$argon2i$v=19$m=64,t=3,p=2$${salt}$${hash}`, `$argon2id$v=16$m=64,t=3,p=2$${salt}$${hash}`]) {
    t.notOk(isPasswordHash(text))
    t.notOk(await verifyPassword('correct horse', text))
  }
})

t.test('a hash that would take unreasonable memory or time is none', async t => {
  for (const cost of ['scrypt$ln=30,r=8,p=1', 'scrypt$ln=18,r=32,p=1', 'scrypt$ln=15,r=8,p=99', 'scrypt$ln=0,r=8,p=1', 'argon2id$v=19$m=4194304,t=1,p=1', 'argon2id$v=19$m=65536,t=99,p=1', 'argon2id$v=19$m=8,t=1,p=2', 'argon2id$v=19$m=64,t=0,p=1']) {
    t.notOk(isPasswordHash(`$${cost}$${salt}$${hash}`), cost)
  }
})

t.test('a salt or a hash that is too short is none', async t => {
  t.ok(isPasswordHash(`$scrypt$ln=15,r=8,p=1$${salt}$${hash}`))
  t.notOk(isPasswordHash(`$scrypt$ln=15,r=8,p=1$AAEC$${hash}`))
  t.notOk(isPasswordHash(`$scrypt$ln=15,r=8,p=1$${salt}$AAEC`))
})

t.test('a decoy costs what its model costs and is nobody\'s', async t => {
  const model = await hashPassword('correct horse', cheap)
  const decoy = decoyOf(model)

  t.equal(decoy.split('$')[2], model.split('$')[2])
  t.notOk(await verifyPassword('correct horse', decoy))
  t.ok(isPasswordHash(defaultDecoy()))
  t.throws(() => decoyOf('correct horse'), RangeError)
})

t.test('a hash below every recommended cost is quick to guess, one at any of them is not', async t => {
  for (const cost of ['scrypt$ln=17,r=8,p=1', 'scrypt$ln=15,r=8,p=3', 'scrypt$ln=13,r=8,p=10', 'argon2id$v=19$m=47104,t=1,p=1', 'argon2id$v=19$m=7168,t=5,p=1']) t.notOk(isQuickToGuess(`$${cost}$${salt}$${hash}`), cost)
  for (const cost of ['scrypt$ln=14,r=8,p=1', 'scrypt$ln=10,r=8,p=1', 'argon2id$v=19$m=4096,t=16,p=1', 'argon2id$v=19$m=19456,t=1,p=1']) t.ok(isQuickToGuess(`$${cost}$${salt}$${hash}`), cost)
  t.notOk(isQuickToGuess('correct horse'))
})
