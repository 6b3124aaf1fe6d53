// What do revocations in force cost: memory, a look-up by how many there are, and how long anything else has to wait for them?

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { LogFollower } from '../plugins/blocklist/log-follower.ts'
import { Replica } from '../lib/revocation/replica.ts'
import { freezeWithKeys, tokenKeyOf } from '../lib/revocation/revocation-keys.ts'
import type { CredentialClaims, Revocation } from '../lib/revocation/entries.ts'
import type { Store, TakePage } from '../stores/store.ts'
import { describeMachine, spreadOf, type Spread } from './harness.ts'

const help = `node bench/replica.ts [options]

  --rounds N   rounds of every look-up, 5 to 50 (default 7)
  --most N     the greatest number of revocations, 1000000 to 10000000 (default 10000000)
  --help       this text
`

const nowMs = 1_700_000_000_000
const issuer = 'https://app.example.com'
const lookups = 200_000
const recurring = 500
const million = 1_000_000
/** The size of the pages of the stores. */
const perPage = 5000

function parseOptions (): { rounds: number, most: number } {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, most: { type: 'string', default: String(10 * million) }, help: { type: 'boolean' } } })
  if (values.help === true) {
    process.stdout.write(help)
    process.exit(0)
  }
  const [rounds, most] = [Number(values.rounds), Number(values.most)]
  if (!Number.isInteger(rounds) || rounds < 5 || rounds > 50) throw new Error('--rounds must be from 5 to 50')
  if (!Number.isInteger(most) || most < million || most > 10 * million) throw new Error('--most must be from 1000000 to 10000000')
  return { rounds, most }
}

/** Returns a revocation: nine of ten are sessions, one of ten is a token; the expiries are spread over a quarter of an hour. */
function revocation (index: number): Revocation {
  const expiresAtMs = nowMs + 1000 + index % 900 * 1000
  if (index % 10 === 0) return { kind: 'jti', tokenKey: tokenKeyOf(issuer, `token-${index}`), expiresAtMs }
  return { kind: 'sid', sid: sidOf(index), expiresAtMs }
}

const sidBytes = Buffer.alloc(16)
const salt = randomBytes(4).readUInt32BE()

/** Returns a sid that is sufficiently random and can be derived from its number again. */
function sidOf (index: number): string {
  for (let word = 0; word < 4; word++) sidBytes.writeUInt32BE((Math.imul(index + word * 0x1000193, 0x9e3779b1) ^ Math.imul(index ^ salt, 0x85ebca6b + word)) >>> 0, word * 4)
  return sidBytes.toString('base64url')
}

/** Returns the claims of a request: an access token that was verified before. */
function credential (sid: string, index: number): CredentialClaims {
  return freezeWithKeys({ issuer, jti: `presented-${index}`, sid, subject: `user-${index}`, epoch: 1 })
}

/** Exposes the garbage collector, so that the bench needs no flag. */
function exposeGc (): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

function memory (): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Measures the memory with a million revocations, and the peak before that, above an empty process. */
function measureMemory (): void {
  const collectGarbage = exposeGc()
  collectGarbage()
  const before = memory()
  const arraysBefore = process.memoryUsage().arrayBuffers
  const replica = new Replica()
  let most = 0
  for (let index = 0; index < million; index++) {
    replica.add(revocation(index))
    if (index % 1000 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - arraysBefore)
  }
  collectGarbage()
  const kept = memory() - before
  assert.equal(replica.size, million)
  report('memory with 1 million', `${mb(kept)} MB; typed arrays at most ${mb(most)} MB on the way`)
}

/**
 * Measures nanoseconds a look-up: of few recurring credentials, as clients have, and of very many in random order, for which the
 * processor's caches are too small in any case.
 */
async function measureLookups (rounds: number, most: number): Promise<void> {
  const replica = new Replica()
  let added = 0
  for (const size of [0, 10_000, million, 10 * million].filter(size => size <= most)) {
    for (; added < size; added++) {
      replica.add(revocation(added))
      if (added % 100_000 === 0) await nextTurn()
    }
    const misses = Array.from({ length: lookups }, (_, index) => credential(sidOf(-1 - index), index))
    report(`look-up, miss, ${size} in force, ${recurring} credentials`, ns(time(replica, recur(misses), false, rounds)))
    report(`look-up, miss, ${size} in force, ${lookups} credentials`, ns(time(replica, misses, false, rounds)))
    if (size === 0) continue
    const hits = Array.from({ length: lookups }, (_, index) => credential(sidOf(1 + Math.floor(Math.random() * size / 10) * 10), index))
    report(`look-up, hit, ${size} in force, ${recurring} credentials`, ns(time(replica, recur(hits), true, rounds)))
    report(`look-up, hit, ${size} in force, ${lookups} credentials`, ns(time(replica, hits, true, rounds)))
  }
  const plain = Array.from({ length: lookups }, (_, index) => ({ issuer, jti: `presented-${index}`, sid: null, subject: null, epoch: null }))
  report(`look-up of plain claims (hashed each time), miss, ${added} in force`, ns(time(replica, plain, false, rounds)))
}

function recur (credentials: readonly CredentialClaims[]): CredentialClaims[] {
  return credentials.map((_, index) => credentials[index % recurring]!)
}

function time (replica: Replica, credentials: readonly CredentialClaims[], expected: boolean, rounds: number): Spread {
  assert(credentials.every(claims => replica.isRevoked(claims) === expected))
  return spreadOf(Array.from({ length: rounds }, () => {
    const startedAtMs = cpuMs()
    let revoked = 0
    for (const claims of credentials) if (replica.isRevoked(claims)) revoked++
    const tookNs = (cpuMs() - startedAtMs) * 1e6
    assert.equal(revoked, expected ? credentials.length : 0)
    return tookNs / credentials.length
  }))
}

/** Measures the longest single call, which is the longest wait of a request, during growth and during the removal of expired entries. */
function measurePauses (): void {
  const replica = new Replica()
  const adding = new Longest()
  for (let index = 0; index < million; index++) {
    const entry = revocation(index)
    adding.start()
    replica.add(entry)
    adding.end()
  }
  const purging = new Longest()
  for (let atMs = nowMs + 300_000; replica.size > 0; atMs += 5000) {
    purging.start()
    replica.purge(atMs)
    purging.end()
  }
  report('longest call of add, to 1 million', adding.toString())
  report(`longest call of purge, of ${purging.count} until all is dropped`, purging.toString())
}

/** The longest call, by the clock, which includes other work of the machine, and by the CPU time of this thread. */
class Longest {
  count = 0
  #wallMs = 0
  #cpuMs = 0
  #startedAtMs = 0
  #startedAtCpuMs = 0

  start (): void {
    this.#startedAtCpuMs = cpuMs()
    this.#startedAtMs = performance.now()
  }

  end (): void {
    this.count++
    this.#wallMs = Math.max(this.#wallMs, performance.now() - this.#startedAtMs)
    this.#cpuMs = Math.max(this.#cpuMs, cpuMs() - this.#startedAtCpuMs)
  }

  toString (): string {
    return `${this.#wallMs.toFixed(2)} ms (CPU ${this.#cpuMs.toFixed(2)} ms)`
  }
}

function cpuMs (): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/**
 * Measures the load of a snapshot of a million, as a gateway does at its start or after a gap, and the longest stall of its event
 * loop.
 */
async function measureLoad (): Promise<void> {
  const pages = Array.from({ length: million / perPage }, (_, page) => Array.from({ length: perPage }, (_, index) => revocation(page * perPage + index)))
  async function snapshot (take: TakePage): Promise<string> {
    for (const page of pages) await take(page)
    return ''
  }
  const store = { snapshot, nowMs: () => nowMs, onGrowth: () => () => {} } as unknown as Store
  const follower = new LogFollower(store, { maxStalenessMs: 2000, longestMs: 86_400_000 }, {})
  const turns = new Longest()
  let isLoaded = false
  function turn (): void {
    turns.end()
    turns.start()
    if (!isLoaded) setImmediate(turn)
  }
  turns.start()
  setImmediate(turn)
  const startedAtMs = performance.now()
  const startedAtCpuMs = cpuMs()
  await follower.start()
  const tookMs = performance.now() - startedAtMs
  const tookCpuMs = cpuMs() - startedAtCpuMs
  isLoaded = true
  follower.stop()
  assert.equal(follower.replica.size, million)
  report('load of a snapshot of 1 million', `${(tookMs / 1000).toFixed(2)} s (CPU ${(tookCpuMs / 1000).toFixed(2)} s); longest turn of the event loop ${turns.toString()}`)
}

function report (what: string, figure: string): void {
  process.stdout.write(`${what.padEnd(72)} ${figure}\n`)
}

function mb (bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

function ns ({ median, least, greatest }: Spread): string {
  return `${median.toFixed(0)} ns (${least.toFixed(0)}–${greatest.toFixed(0)})`
}

const { rounds, most } = parseOptions()
for (const [name, value] of Object.entries(describeMachine([]))) if (value !== '') process.stdout.write(`${name}: ${value}\n`)
measureMemory()
measurePauses()
await measureLoad()
await measureLookups(rounds, most)
