import t, { type Test } from 'tap'
import { createCookieSecret, parseSessionCookie, createSid } from '../../lib/session/sid.ts'
import { signIn, startGateway } from '../helpers/build-gateway.ts'

/*
 * Whoever can guess or compute session cookies needs no password: a counter, a clock, a short or biased generator, an id made of who
 * signs in. And whoever can read one learns more than they should if it says anything.
 *
 * Session ids and secrets are looked at a hundred thousand at a time. The bounds are so wide that a sound generator does not cross
 * them in a thousand years of test runs, and narrow enough for a bit that is set in 52 of 100 cases.
 */

const count = 100_000

interface Counted {
  /** The greatest deviation of any bit from being set half of the time, in standard deviations. */
  worstBit: number
  /** Pearson's statistic over byte values: 255 on the average, more than 450 practically never. */
  chiSquare: number
}

function countBytes (samples: Buffer[]): Counted {
  const length = samples[0]!.length
  const counts = new Float64Array(length * 256)
  for (const bytes of samples) for (let at = 0; at < length; at++) counts[at * 256 + bytes[at]!]!++
  const values = Array.from({ length: 256 }, (_, value) => Array.from({ length }, (_, at) => counts[at * 256 + value]!))
  const expected = samples.length * length / 256
  const bits = Array.from({ length: length * 8 }, (_, bit) => values.reduce((ones, seen, value) => ones + (value >> (bit & 7) & 1) * seen[bit >> 3]!, 0))
  return {
    worstBit: Math.max(...bits.map(ones => Math.abs(ones - samples.length / 2) / Math.sqrt(samples.length / 4))),
    chiSquare: values.reduce((sum, seen) => sum + (seen.reduce((a, b) => a + b) - expected) ** 2 / expected, 0)
  }
}

/** How far the share of values that are greater than the one before is from a half, in standard deviations: a clock or a counter rises. */
function rising (samples: Buffer[]): number {
  let rises = 0
  for (let i = 1; i < samples.length; i++) if (samples[i]!.compare(samples[i - 1]!) > 0) rises++
  return Math.abs(rises - samples.length / 2) / Math.sqrt(samples.length / 12)
}

function assertRandom (t: Test, samples: Buffer[]): void {
  const { worstBit, chiSquare } = countBytes(samples)
  t.ok(worstBit < 7, `worst bit ${worstBit.toFixed(1)}`)
  t.ok(chiSquare < 450, `chi-square ${chiSquare.toFixed(0)}`)
  t.ok(rising(samples) < 7, `rising ${rising(samples).toFixed(1)}`)
  t.equal(new Set(samples.map(bytes => bytes.toString('latin1'))).size, samples.length, 'none twice')
  t.equal(new Set(samples.map(bytes => bytes.toString('latin1', 0, 8))).size, samples.length, 'not even a beginning')
  t.equal(new Set(samples.map(bytes => bytes.toString('latin1', bytes.length - 8))).size, samples.length, 'nor an end')
}

t.test('a hundred thousand secrets of session cookies are 256 random bits each', t => {
  const secrets = Array.from({ length: count }, () => Buffer.from(createCookieSecret().secret, 'base64url'))

  t.ok(secrets.every(secret => secret.length === 32))
  assertRandom(t, secrets)
  t.end()
})

t.test('a hundred thousand session ids of one subject differ in 120 random bits, and look like nothing else', t => {
  const ids = Array.from({ length: count }, () => Buffer.from(createSid('ada'), 'base64url'))

  t.ok(ids.every(id => id.length === 16))
  // The first byte has the shard in it, and never makes a dash of the first character.
  assertRandom(t, ids.map(id => id.subarray(1)))
  const versioned = ids.filter(id => id[6]! >> 4 === 4 && id[8]! >> 6 === 2).length
  t.ok(versioned < count / 32, `no more than one in 64 looks like a UUID: ${versioned}`)
  t.end()
})

t.test('the tests of randomness notice a counter, a clock, a bias of one bit and a short generator', t => {
  const random = () => Buffer.from(createCookieSecret().secret, 'base64url')
  const samples = (make: (index: number, bytes: Buffer) => void) => Array.from({ length: count }, (_, index) => {
    const bytes = random()
    make(index, bytes)
    return bytes
  })
  const biased = samples((index, bytes) => { if (index % 25 === 0) bytes[5]! |= 4 })
  const clock = samples((index, bytes) => { bytes.writeUInt32BE(1_790_000_000 + (index >> 4)) })
  const short = samples((_, bytes) => { for (let i = 2; i < 8; i++) bytes[i] = bytes[0]! })

  t.ok(countBytes(biased).worstBit > 7)
  t.ok(rising(clock) > 7)
  t.ok(countBytes(clock).worstBit > 7)
  t.ok(countBytes(clock).chiSquare > 450)
  t.ok(new Set(short.map(bytes => bytes.toString('latin1', 0, 8))).size < count)
  t.end()
})

/** Every text of this length in a cookie. */
const pieces = (text: string, length: number) => new Set(Array.from({ length: text.length - length + 1 }, (_, at) => text.slice(at, at + length)))

t.test('a session cookie tells nothing of its owner, and has nothing in common with their next one', async t => {
  const { url } = await startGateway(t)
  const subjects = ['administrator', 'administrator', 'mallory@example.com']
  const values = []
  for (const subject of subjects) values.push((await signIn(url, subject)).cookie.split('=')[1]!)

  for (const value of values) {
    const { sid = '', secret = '' } = parseSessionCookie(value) ?? {}
    const readings = [value, decodeURIComponent(value), ...[sid, secret].flatMap(part => ['latin1', 'utf8', 'hex'].map(encoding => Buffer.from(part, 'base64url').toString(encoding as BufferEncoding)))]
    for (const reading of readings) {
      t.notMatch(reading, /admin|mallory|example|orders|read|eyJ|[{}]"/i)
      t.throws(() => JSON.parse(reading) as unknown, 'no JSON')
    }
    t.equal(value.split('.').length, 2, 'no JWT')
  }
  const [first = '', second = ''] = values
  t.same([...pieces(first, 6)].filter(piece => pieces(second, 6).has(piece)), [])
})
