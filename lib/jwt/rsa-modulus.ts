const primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167]

/** The remainders of powers of 65537, for each odd prime. */
const powers = primes.slice(1).map(prime => {
  const remainders = new Set<number>()
  for (let remainder = 1; !remainders.has(remainder); remainder = remainder * 65537 % prime) remainders.add(remainder)
  return { prime: BigInt(prime), remainders }
})

/**
 * Returns whether a modulus is easy to factor: it has a small factor, or a widespread chip generated it (ROCA, CVE-2017-15361). The moduli
 * of that chip are powers of 65537 modulo every small prime.
 */
export function hasWeakModulus (modulus: bigint): boolean {
  if (primes.some(prime => modulus % BigInt(prime) === 0n)) return true
  return powers.every(({ prime, remainders }) => remainders.has(Number(modulus % prime)))
}
