import type { Operation } from '../faults/history.ts'
import { outcomeOf } from '../faults/history.ts'
import { codeOf } from './ask.ts'
import type { Gateway } from './gateways.ts'
import type { Judge } from './judge.ts'
import type { Tally } from './tally.ts'

/** What all clients share. */
export interface World {
  /** Those that a load balancer would send somebody to. */
  gateways: () => Gateway[]
  judge: Judge
  tally: Tally
  /** Since when nothing has been done to anybody; Infinity while something is. */
  quietSinceMs: () => number
  adminToken: string
}

export interface Attempt extends Pick<Operation, 'client' | 'sid'> {
  /** Under which it is counted. */
  what: string
  /** What it is to the judge of histories; null for what has no place in one. */
  kind: Operation['kind'] | null
  gateway: Gateway
  nonce?: { sent: string, received: string | null }
  token?: { presented: string, received: string | null }
}

export type Told = Partial<Pick<Operation, 'sid' | 'nonce' | 'token'>> & { status: number | null }

/** Does something, writes down what came of it, and has it judged. Resolves to the status; null when there was no answer. */
export async function attempt ({ judge, tally }: World, { what, kind, gateway, ...about }: Attempt, act: () => Promise<Told>): Promise<number | null> {
  const calledAtMs = performance.now()
  let error: string | null = null
  const told: Told = await act().catch((reason: unknown) => {
    error = codeOf(reason)
    return { status: null }
  })
  tally.add(what, told.status)
  if (error !== null && !isExcused(gateway, error, calledAtMs)) judge.report(`${what} of ${about.client} at ${calledAtMs.toFixed(1)} ms was not answered by ${gateway.name} (pid ${gateway.pid}), which was well: ${error}`)
  if (kind !== null) judge.add({ ...about, ...told, kind, gateway: gateway.url, calledAtMs, returnedAtMs: performance.now(), outcome: outcomeOf(told.status) })
  return told.status
}

/** Nobody answers who was killed or stopped, and who was told to end takes nothing new; whoever else was asked has to answer. */
function isExcused (gateway: Gateway, error: string, sinceMs: number): boolean {
  if (!gateway.wasWell(sinceMs)) return true
  return error === 'ECONNREFUSED' && gateway.toldToEndAtMs < Infinity
}
