import { generateKeyPairSync, generatePrimeSync } from 'node:crypto'
import t from 'tap'
import { hasWeakModulus } from '../../../lib/jwt/rsa-modulus.ts'

t.test('a modulus of two large primes is not weak', async t => {
  const { n = '' } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
  t.notOk(hasWeakModulus(BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)))
})

t.test('a modulus with a small factor is weak', async t => {
  const prime = generatePrimeSync(1024, { bigint: true })
  for (const factor of [2n, 3n, 167n]) t.ok(hasWeakModulus(prime * factor))
})

t.test('a modulus that is a power of 65537 modulo the small primes is weak', async t => {
  const primorial = [2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n, 53n, 59n, 61n, 67n, 71n, 73n, 79n, 83n, 89n, 97n, 101n, 103n, 107n, 109n, 113n, 127n, 131n, 137n, 139n, 149n, 151n, 157n, 163n, 167n].reduce((product, prime) => product * prime)
  t.ok(hasWeakModulus(primorial * 2n ** 700n + 65537n ** 5n % primorial))
})
