import type { Operation } from './history.ts'

export interface CheckOptions {
  /** Revocations that were acknowledged while the store could lose writes (an asynchronous failover): their sids. */
  mayBeLost?: ReadonlySet<string>
  /** Sessions that were opened while the store could lose writes, or before it lost all: their sids. */
  mayBeForgotten?: ReadonlySet<string>
  /** How long another gateway than the one that acknowledged an end may go on serving requests: `maxStaleness`. Default 0. */
  stalenessMs?: number
  /** Statuses that are neither success nor refusal nor "come again". Default: none is allowed. */
  allowedStatuses?: readonly number[]
}

/** What of a history contradicts the promises, one line each; none when all of them were kept. */
export function checkHistory (operations: readonly Operation[], { mayBeLost = new Set(), mayBeForgotten = new Set(), stalenessMs = 0, allowedStatuses = [] }: CheckOptions = {}): string[] {
  const bySession = Map.groupBy(operations, ({ sid }) => sid)
  return [
    ...operations.flatMap(operation => checkAnswer(operation, allowedStatuses)),
    ...[...bySession].flatMap(([sid, ofSession]) => [
      ...mayBeLost.has(sid) ? [] : checkEnd(ofSession, stalenessMs),
      ...mayBeForgotten.has(sid) ? [] : checkHonesty(ofSession),
      ...checkFamily(ofSession)
    ])
  ]
}

/** Every answer is one of the promised ones, and nobody is given what was meant for somebody else. */
function checkAnswer (operation: Operation, allowedStatuses: readonly number[]): string[] {
  const { status, nonce, outcome } = operation
  const problems: string[] = []
  if (outcome === 'unknown' && status !== null && status !== 503 && !allowedStatuses.includes(status)) problems.push(`${say(operation)} was answered ${status}`)
  if (outcome === 'ok' && nonce !== undefined && nonce.received !== nonce.sent) problems.push(`${say(operation)} was given the answer to ${nonce.received ?? 'nothing'}`)
  return problems
}

/** An acknowledged sign-out is a sign-out: nothing that begins after it succeeds; at other gateways, once they have to have heard. */
function checkEnd (operations: readonly Operation[], stalenessMs: number): string[] {
  const ends = operations.filter(({ kind, outcome }) => kind === 'sign-out' && outcome === 'ok').sort((a, b) => a.returnedAtMs - b.returnedAtMs)
  const [end] = ends
  if (end === undefined) return []
  return operations
    .filter(({ kind, outcome, gateway, calledAtMs }) => {
      if ((kind !== 'request' && kind !== 'refresh') || outcome !== 'ok') return false
      // A refresh always asks the store.
      const mayBeStale = kind === 'request' && gateway !== undefined && !ends.some(other => other.gateway === gateway && other.returnedAtMs < calledAtMs)
      return calledAtMs > end.returnedAtMs + (mayBeStale ? stalenessMs : 0)
    })
    .map(operation => `${say(operation)} succeeded ${Math.ceil(operation.calledAtMs - end.returnedAtMs)} ms after its session had been ended`)
}

/** Nobody is sent away before a sign-out was asked for: unknown is not "no". */
function checkHonesty (operations: readonly Operation[]): string[] {
  const askedAtMs = Math.min(...operations.filter(({ kind }) => kind === 'sign-out').map(({ calledAtMs }) => calledAtMs))
  return operations
    .filter(({ kind, outcome, returnedAtMs }) => kind !== 'sign-out' && outcome === 'refused' && returnedAtMs < askedAtMs)
    .map(operation => `${say(operation)} was refused (${operation.status}), and nobody had signed out`)
}

/** The family never forks: whatever a token was exchanged for, however often, is one and the same token. */
function checkFamily (operations: readonly Operation[]): string[] {
  const refreshes = operations.filter(({ kind, outcome }) => kind === 'refresh' && outcome === 'ok')
  return [...Map.groupBy(refreshes, ({ token }) => token?.presented ?? '')].flatMap(([presented, ofToken]) => {
    // On hold the token is not advanced.
    const successors = new Set(ofToken.map(({ token }) => token?.received ?? presented).filter(received => received !== presented))
    return successors.size < 2 ? [] : [`${say(ofToken[0]!)} forked the family: one token has ${successors.size} successors`]
  })
}

function say ({ client, kind, sid, calledAtMs }: Operation): string {
  return `${kind} of ${client} (${sid}) at ${calledAtMs.toFixed(1)} ms`
}
