import fc, { type Arbitrary } from 'fast-check'
import type { People } from './people.ts'
import { judgeAnswer, judgeSeen } from './oracle.ts'
import type { Upstreams } from './upstreams.ts'
import { Connection, format, headLength, type Sent } from './wire.ts'

/** What is fuzzed: a gateway, the upstreams behind it, and who is signed in. */
export interface Target {
  port: number
  people: People
  upstreams: Upstreams
}

/** One input and what became of it: the status, or what else happened, and what is wrong with that. */
export interface Outcome { status: string, violation: string | null }

/** One kind of input. A probe leaves no state behind that another one would notice. */
export interface Phase<Input = unknown> {
  name: string
  /** Of all inputs, how many. */
  share: number
  /** In flight at once. */
  parallel: number
  arbitrary: (people: People) => Arbitrary<Input>
  probe: (input: Input, target: Target, lane: number) => Promise<Outcome>
  /** Lets go of what it keeps open. */
  end: () => void
}

export interface Violation { phase: string, index: number, reason: string, input: unknown, isShrunk: boolean }

export interface PhaseResult { name: string, inputs: number, statuses: Record<string, number>, violations: Violation[] }

export interface RunOptions {
  seed: number
  inputs: number
  /** Called between batches, with how many inputs there were. */
  onProgress?: (done: number) => Promise<void> | void
}

const batchSize = 500
/** One is enough to look into; many of one kind would hide the rest of the table. */
const maxViolations = 3

/** Runs a phase until it has had its inputs or its violations. The inputs are a function of the seed and of who is signed in. */
export async function runPhase<Input> (phase: Phase<Input>, target: Target, { seed, inputs, onProgress }: RunOptions): Promise<PhaseResult> {
  const result: PhaseResult = { name: phase.name, inputs: 0, statuses: {}, violations: [] }
  const arbitrary = phase.arbitrary(target.people)
  for (let batch = 0; result.inputs < inputs && result.violations.length < maxViolations; batch++) {
    const batchSeed = seed + batch
    const sample = fc.sample(arbitrary, { seed: batchSeed, numRuns: Math.min(batchSize, inputs - result.inputs) })
    const found = await probeAll(phase, target, sample, result)
    for (const index of found.slice(0, maxViolations - result.violations.length)) {
      result.violations.push(await shrink(phase, target, { arbitrary, seed: batchSeed, index, input: sample[index.at]! }))
    }
    const stray = target.upstreams.strays.splice(0)[0]
    if (stray !== undefined) result.violations.push({ phase: phase.name, index: -1, reason: 'a request reached an upstream that no input has sent', input: stray, isShrunk: false })
    await onProgress?.(result.inputs)
  }
  phase.end()
  return result
}

interface Found { at: number, reason: string }

/** Each lane sends its share, one after the other. */
async function probeAll<Input> (phase: Phase<Input>, target: Target, sample: Input[], result: PhaseResult): Promise<Found[]> {
  const found: Found[] = []
  let next = 0
  await Promise.all(Array.from({ length: phase.parallel }, async (_, lane) => {
    for (let at = next++; at < sample.length; at = next++) {
      const { status, violation } = await phase.probe(sample[at]!, target, lane)
      result.statuses[status] = (result.statuses[status] ?? 0) + 1
      result.inputs++
      if (violation !== null) found.push({ at, reason: violation })
    }
  }))
  return found
}

/** The smallest input that is wrong in some way; the one that was found when it is not wrong twice. */
async function shrink<Input> (phase: Phase<Input>, target: Target, { arbitrary, seed, index: { at, reason }, input }: { arbitrary: Arbitrary<Input>, seed: number, index: Found, input: Input }): Promise<Violation> {
  // Of a gateway that is gone every input would be one too much.
  if (!await fetch(`${target.people.url}/.well-known/jwks.json`).then(({ ok }) => ok, () => false)) return { phase: phase.name, index: at, reason, input, isShrunk: false }
  let last = reason
  const property = fc.asyncProperty(arbitrary, async smaller => {
    const { violation } = await phase.probe(smaller, target, 0)
    if (violation === null) return true
    last = violation
    return false
  })
  const { failed, counterexample } = await fc.check(property, { seed, path: String(at), numRuns: 1, interruptAfterTimeLimit: 20_000 })
  const isShrunk = failed && counterexample !== null
  return { phase: phase.name, index: at, reason: last, input: isShrunk ? counterexample[0] : input, isShrunk }
}

/** A request whose answer and whose traces at the upstreams are judged. */
export interface Probe extends Sent {
  /** It is an ordinary request with a good credential, or needs none: it must get through. */
  mustPass?: boolean
  /** It may sign somebody in. */
  opens?: boolean
}

/** Whatever an HTTP parser refuses by its bytes, or by its size, may be answered by the end of the connection alone. */
function mayBeUnanswered (sent: Sent): boolean {
  const { method, target, headers } = sent
  if (headLength(sent) > 16_000 || method === 'CONNECT') return true
  return [method, target, ...headers.flat()].some(text => [...text].some(character => character !== '\t' && (character < ' ' || character === '\x7f')))
}

let sentSoFar = 0

/** Sends structured requests over connections that are kept. */
export function createProbe (): Pick<Phase<Probe>, 'probe' | 'end'> {
  const lanes: Connection[] = []
  return {
    async probe (sent, { port, people, upstreams }, lane) {
      const id = String(sentSoFar++)
      const outcome = await (lanes[lane] ??= new Connection(port)).exchange(format(sent, id), sent.method === 'HEAD')
      const seen = upstreams.take(id)
      const status = typeof outcome === 'string' ? outcome : String(outcome.status)
      if (seen.length > 1) return { status, violation: `reaches upstreams ${seen.length} times` }
      const atUpstream = seen[0] === undefined ? null : await judgeSeen(sent, seen[0], people)
      if (atUpstream !== null) return { status, violation: atUpstream }
      if (typeof outcome === 'string') return { status, violation: outcome === 'ended without an answer' && mayBeUnanswered(sent) ? null : outcome }
      if (sent.mustPass === true && outcome.status !== 200) return { status, violation: `is a good request and is answered ${status}` }
      return { status, violation: judgeAnswer(sent, outcome, people, sent.opens === true) }
    },
    end () {
      for (const connection of lanes.splice(0)) connection.end()
    }
  }
}
