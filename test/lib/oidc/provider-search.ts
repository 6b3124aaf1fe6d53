import { countsFromMs, judgeCut, type SignInAfterCut } from '../../../lib/oidc/cut-judgement.ts'

/*
 * A breadth-first search over everything that can happen around the sessions of one user at one identity provider: two tabs that sign in,
 * or one that signs in and one that steps up, logout tokens that are late, repeated or fail halfway, a cut by an operator, and a store
 * whose shards fail over and forget their last write. The subject and its sessions are in one shard, and the tombstone of a session at the
 * provider in another. Whether a sign-in opens a session is decided by the product's own function; the store's operations are modelled, and
 * test/stores/ shows that the stores do them.
 */

/** What the protocol does; that of the product, or a broken copy that the search has to find out. */
export interface Protocol {
  judge: typeof judgeCut
  /** The order of the two halves of a logout by `sid`: what a later sign-in looks for, and the end of the sessions that are there. */
  logout: ReadonlyArray<'tombstone' | 'sessions'>
  /** The order of the two halves of an opening, before the cookie leaves. */
  opening: ReadonlyArray<'insert' | 'look'>
  /** The instant with which the operation that opens a session compares the last cut; null if it compares none. */
  countsFrom: ((facts: SignInAfterCut) => number) | null
  /** Whether the last cut is read and judged before the operation that opens the session. */
  judgesFirst: boolean
  /** Whether the look for a tombstone asks the memory of the process as well as the store. */
  asksMemory: boolean
  /** The id of a logout token: used in the operation of the cut, before it in another one, or never. */
  jti: 'with the cut' | 'before the cut' | 'never'
  /** Whether a session that was stepped up is still found by the earlier session at the provider. */
  keepsOldIndex: boolean
  /** Whether a step-up looks for the tombstone of the session at the provider that it names. */
  stepUpLooks: boolean
  /** Whether a logout is answered with 200 although its second half was not done. */
  answersEarly: boolean
  /** Whether the revocations that processes know are asserted to a store that has forgotten them. */
  reasserts: boolean
}

export const protocol: Protocol = {
  judge: judgeCut,
  logout: ['tombstone', 'sessions'],
  opening: ['insert', 'look'],
  countsFrom: countsFromMs,
  judgesFirst: false,
  asksMemory: true,
  jti: 'with the cut',
  keepsOldIndex: true,
  stepUpLooks: true,
  answersEarly: false,
  reasserts: true
}

export interface Scenario {
  /** What the second tab does. Default: it signs in as well. */
  second?: 'sign-in' | 'step-up' | 'nothing'
  /** What each logout token of the provider names, in the order in which the provider issues them. */
  logouts: ReadonlyArray<'sid' | 'sub'>
  hasLocalCut?: boolean
  /** Shards that may fail over once and forget their last write. */
  failovers?: ReadonlyArray<'sessions' | 'tombstones'>
  /** All processes end after a failover, so that no memory is left. */
  losesMemory?: boolean
  /** The provider authenticates nobody again whom it knows, whatever it is asked. */
  ignoresPrompt?: boolean
  limit?: number
}

/**
 * - `logged out`: after a 200 for a `sid` or a `sub`, no session that began before it answers.
 * - `once`: a logout token that is repeated ends no newer session.
 * - `cut`: no session answers whose authentication is from before the cut of its subject.
 * - `spared`: a session that no logout and no cut names goes on.
 */
export type Invariant = 'logged out' | 'once' | 'cut' | 'spared'

/** Sessions at the provider are numbered from 1. Members that end in `At` are instants; 0 is never. */
interface SessionOfModel {
  sid: number
  epoch: number
  /** Sessions at the provider by which a logout finds it. */
  index: number[]
  /** Number of the secret of its cookie. */
  secret: number
  /** Sessions at the provider from which it has come, whether the protocol remembers them or not. */
  from: number[]
  codeAt: number
  authAt: number
  openedAt: number
}

/** Shard of the subject. */
interface Sessions { records: SessionOfModel[], epoch: number, cutAt: number, isJtiUsed: boolean[] }
/** Shard of the tombstones. */
type Tombstones = number[]

interface Tab {
  phase: 'idle' | 'begun' | 'authorized' | 'judged' | 'working' | 'over'
  isStepUp: boolean
  beganAt: number
  isForced: boolean
  restarts: number
  from: number
  authAt: number
  codeAt: number
  done: number
  sid: number
}

interface Logout { kind: 'sid' | 'sub', from: number, issuedAt: number, done: number, isAnswered: boolean, answeredAt: number, deliveries: number }

interface State {
  nowAt: number
  sessions: Sessions
  sessionsBefore: Sessions | null
  tombstones: Tombstones
  tombstonesBefore: Tombstones | null
  failovers: number
  /** What the processes know. */
  memory: { tombstones: number[], ended: number[], epoch: number, cutAt: number }
  /** Session of the browser at the provider: its number and the time of the authentication; 0 if there is none. */
  provider: { from: number, authAt: number, last: number }
  tabs: Tab[]
  logouts: Logout[]
  localCutAt: number
  /** Cookies that have left: the session times ten, and the number of the secret. */
  released: number[]
  /** Number of sessions that were opened. */
  opened: number
}

interface Move { name: string, make: (state: State) => void }

export interface SearchResult {
  states: number
  violation: { invariant: Invariant, trace: string[] } | null
  /** How many states show that something happens at all, so that a search that has shrunk is noticed. */
  seen: { opened: number, loggedOut: number, forced: number, refused: number, steppedUp: number }
}

class Violation extends Error {
  readonly invariant: Invariant
  constructor (invariant: Invariant) {
    super(invariant)
    this.invariant = invariant
  }
}

const idle: Tab = { phase: 'idle', isStepUp: false, beganAt: 0, isForced: false, restarts: 0, from: 0, authAt: 0, codeAt: 0, done: 0, sid: 0 }
const mostRestarts = 2
const mostDeliveries = 3
const defaultLimit = 3_000_000

export function search (scenario: Scenario, rules: Protocol = protocol): SearchResult {
  const model = new Model(scenario, rules)
  const start = model.start()
  const parents = new Map<string, { from: string | null, move: string }>([[keyOf(start), { from: null, move: '' }]])
  const seen = { opened: 0, loggedOut: 0, forced: 0, refused: 0, steppedUp: 0 }
  for (const key of parents.keys()) {
    if (parents.size > (scenario.limit ?? defaultLimit)) throw new Error('the search is too large')
    const state = JSON.parse(key) as State
    count(state, seen)
    for (const move of model.movesOf(state)) {
      const next = JSON.parse(key) as State
      const invariant = violationOf(() => {
        move.make(next)
        model.judge(next)
      })
      if (invariant !== null) return { states: parents.size, violation: { invariant, trace: [...pathTo(key, parents), move.name] }, seen }
      const reached = keyOf(next)
      if (!parents.has(reached)) parents.set(reached, { from: key, move: move.name })
    }
  }
  return { states: parents.size, violation: null, seen }
}

function violationOf (act: () => void): Invariant | null {
  try {
    act()
    return null
  } catch (error) {
    if (error instanceof Violation) return error.invariant
    throw error
  }
}

/** The violation that was found and the shortest way to it; null when there is none. */
export function tell ({ violation }: SearchResult): string | null {
  return violation === null ? null : [`${violation.invariant}:`, ...violation.trace].join('\n')
}

function pathTo (key: string, parents: Map<string, { from: string | null, move: string }>): string[] {
  const moves: string[] = []
  for (let at: string | null = key; at !== null;) {
    const { from, move }: { from: string | null, move: string } = parents.get(at)!
    if (from !== null) moves.unshift(move)
    at = from
  }
  return moves
}

function count (state: State, seen: SearchResult['seen']): void {
  if (state.released.length > 0) seen.opened++
  if (state.logouts.some(({ isAnswered }) => isAnswered)) seen.loggedOut++
  if (state.tabs.some(({ isForced }) => isForced)) seen.forced++
  if (state.tabs.some(({ phase, sid, restarts }) => phase === 'over' && sid === 0 && restarts >= 0)) seen.refused++
  if (state.tabs.some(({ phase, sid, isStepUp }) => isStepUp && phase === 'over' && sid > 0)) seen.steppedUp++
}

/** Returns the objects that hold instants, with the names of these. */
function instantsOf (state: State): Array<[holder: object, names: readonly string[]]> {
  const shards = [state.sessions, ...state.sessionsBefore === null ? [] : [state.sessionsBefore]]
  return [
    [state, ['nowAt', 'localCutAt']],
    ...shards.flatMap((shard): Array<[object, string[]]> => [[shard, ['cutAt']], ...shard.records.map((record): [object, string[]] => [record, ['codeAt', 'authAt', 'openedAt']])]),
    [state.memory, ['cutAt']],
    [state.provider, ['authAt']],
    ...state.tabs.map((tab): [object, string[]] => [tab, ['beganAt', 'authAt', 'codeAt']]),
    ...state.logouts.map((logout): [object, string[]] => [logout, ['issuedAt', 'answeredAt']])
  ]
}

/** Returns the text of a state, and replaces its instants by their ranks: states that differ in nothing else are one. */
function keyOf (state: State): string {
  const holders = instantsOf(state) as Array<[Record<string, number>, readonly string[]]>
  const instants = new Set([0])
  for (const [holder, names] of holders) for (const name of names) instants.add(holder[name]!)
  const sorted = [...instants].sort((a, b) => a - b)
  for (const [holder, names] of holders) for (const name of names) holder[name] = sorted.indexOf(holder[name]!)
  return JSON.stringify(state)
}

class Model {
  readonly #scenario: Scenario
  readonly #rules: Protocol

  constructor (scenario: Scenario, rules: Protocol) {
    this.#scenario = scenario
    this.#rules = rules
  }

  start (): State {
    const { second = 'sign-in' } = this.#scenario
    return {
      nowAt: 0,
      sessions: { records: [], epoch: 1, cutAt: 0, isJtiUsed: [] },
      sessionsBefore: null,
      tombstones: [],
      tombstonesBefore: null,
      failovers: 0,
      memory: { tombstones: [], ended: [], epoch: 1, cutAt: 0 },
      provider: { from: 0, authAt: 0, last: 0 },
      tabs: [{ ...idle }, { ...idle, isStepUp: second === 'step-up', ...second === 'nothing' ? { phase: 'over' as const, restarts: -1 } : {} }],
      logouts: [],
      localCutAt: 0,
      released: [],
      opened: 0
    }
  }

  movesOf (state: State): Move[] {
    return [
      ...state.tabs.flatMap((tab, at) => this.#movesOfTab(state, tab, at)),
      ...this.#movesOfProvider(state),
      ...state.logouts.flatMap((logout, at) => this.#movesOfLogout(logout, at)),
      ...this.#movesOfStore(state)
    ]
  }

  #movesOfTab (state: State, tab: Tab, at: number): Move[] {
    const move = (name: string, make: (next: State, own: Tab) => void): Move => ({ name: `tab ${at + 1}: ${name}`, make: next => { make(next, next.tabs[at]!) } })
    switch (tab.phase) {
      case 'idle': {
        if (!tab.isStepUp) return [move('begins', begin)]
        const own = state.sessions.records.find(record => answers(state, record))
        return own === undefined ? [] : [move('begins a step-up', (next, tab) => { begin(next, tab); tab.sid = own.sid; tab.isForced = true })]
      }
      case 'begun': return this.#authorizations(state, tab).map(({ name, isNew, isSilent }) => move(name, (next, own) => { authorize(next, own, { isNew, isSilent }) }))
      case 'authorized': return [move('comes back', (next, own) => { this.#judgeTab(next, own) })]
      case 'judged': return [move('begins its half', (next, own) => { own.phase = 'working'; this.#work(next, own) })]
      case 'working': return [move('goes on', (next, own) => { this.#work(next, own) })]
      case 'over': return []
    }
  }

  #authorizations ({ provider }: State, { isForced, restarts }: Tab): Array<{ name: string, isNew: boolean, isSilent: boolean }> {
    if (restarts > mostRestarts) return []
    const isKnown = provider.from > 0
    const silent = isKnown && (!isForced || this.#scenario.ignoresPrompt === true)
    return [
      ...silent ? [{ name: 'is let through by the provider', isNew: false, isSilent: true }] : [],
      ...isKnown && isForced && this.#scenario.ignoresPrompt !== true ? [{ name: 'signs in again at the provider', isNew: false, isSilent: false }] : [],
      ...!isKnown || isForced ? [{ name: 'signs in at the provider, which begins a session', isNew: true, isSilent: false }] : []
    ]
  }

  #judgeTab (state: State, tab: Tab): void {
    if (tab.isStepUp) {
      tab.phase = 'judged'
      return
    }
    if (this.#rules.judgesFirst) this.#follow(state, tab, this.#rules.judge(factsOf(state, tab)))
    else tab.phase = 'judged'
  }

  #follow (state: State, tab: Tab, judgement: ReturnType<typeof judgeCut>): void {
    if (judgement === 'open') tab.phase = 'judged'
    else if (judgement === 'again') beginAgain(state, tab)
    else end(tab, 0)
  }

  /** Does the next half of an opening or of a step-up. */
  #work (state: State, tab: Tab): void {
    const { opening } = this.#rules
    const half = opening[tab.done]!
    tab.done++
    if (half === 'look') {
      const isRemembered = state.tombstones.includes(tab.from) || (this.#rules.asksMemory && state.memory.tombstones.includes(tab.from))
      if (isRemembered && (!tab.isStepUp || this.#rules.stepUpLooks)) {
        if (tab.sid > 0) endRecord(state, tab.sid)
        return end(tab, 0)
      }
    } else if (!(tab.isStepUp ? this.#renew(state, tab) : this.#insert(state, tab))) return
    if (tab.done === opening.length) release(state, tab)
  }

  #insert (state: State, tab: Tab): boolean {
    const facts = factsOf(state, tab)
    const { countsFrom } = this.#rules
    if (countsFrom !== null && facts.cutMs !== null && facts.cutMs >= countsFrom(facts)) {
      this.#follow(state, tab, this.#rules.judge(facts))
      if (tab.phase !== 'judged') return false
    }
    tab.phase = 'working'
    const sid = ++state.opened
    const { epoch } = state.sessions
    writeSessions(state).records.push({ sid, epoch, index: [tab.from], secret: 1, from: [tab.from], codeAt: tab.codeAt, openedAt: ++state.nowAt, authAt: tab.authAt })
    tab.sid = sid
    return true
  }

  #renew (state: State, tab: Tab): boolean {
    const { sid } = tab
    if (!state.sessions.records.some(record => record.sid === sid)) {
      end(tab, 0)
      return false
    }
    const record = writeSessions(state).records.find(record => record.sid === sid)!
    record.index = this.#rules.keepsOldIndex ? [...new Set([...record.index, tab.from])] : [tab.from]
    record.from = [...new Set([...record.from, tab.from])]
    record.authAt = tab.authAt
    record.secret++
    return true
  }

  #movesOfProvider (state: State): Move[] {
    const kind = this.#scenario.logouts[state.logouts.length]
    if (kind === undefined || state.provider.last === 0) return []
    const targets = kind === 'sub' ? [0] : Array.from({ length: state.provider.last }, (_, at) => at + 1).filter(from => !state.logouts.some(logout => logout.from === from))
    return targets.map(from => ({
      name: kind === 'sub' ? 'the provider ends every session of the user' : `the provider ends its session ${from}`,
      make (next) {
        if (kind === 'sub' || next.provider.from === from) Object.assign(next.provider, { from: 0, authAt: 0 })
        next.logouts.push({ kind, from, issuedAt: ++next.nowAt, done: 0, isAnswered: false, answeredAt: 0, deliveries: 1 })
        next.sessions.isJtiUsed[next.logouts.length - 1] = false
      }
    }))
  }

  #movesOfLogout (logout: Logout, at: number): Move[] {
    const name = `logout ${at + 1}`
    const move = (what: string, make: (next: State, own: Logout) => void): Move => ({ name: `${name}: ${what}`, make: next => { make(next, next.logouts[at]!) } })
    const again = logout.deliveries < mostDeliveries ? [move('arrives again', (_next, own) => { own.done = 0; own.deliveries++ })] : []
    if (logout.isAnswered && logout.done >= 2) return again
    if (logout.kind === 'sub') return [move('cuts the subject', (next, own) => { this.#cutBy(next, own, at) }), ...logout.done > 0 ? again : []]
    return [move(this.#rules.logout[logout.done] ?? 'is answered', (next, own) => { this.#doHalf(next, own) }), ...logout.done > 0 ? again : []]
  }

  #doHalf (state: State, logout: Logout): void {
    const half = this.#rules.logout[logout.done]
    if (half === 'tombstone') {
      state.tombstonesBefore = state.tombstones
      state.tombstones = [...new Set([...state.tombstones, logout.from])]
      remember(state.memory.tombstones, logout.from)
    } else if (half === 'sessions') {
      for (const { sid, index, from } of [...state.sessions.records]) {
        if (!index.includes(logout.from)) continue
        if (!from.includes(logout.from)) throw new Violation('spared')
        endRecord(state, sid)
      }
    }
    logout.done++
    if (this.#rules.answersEarly || logout.done >= this.#rules.logout.length) answer(state, logout)
  }

  #cutBy (state: State, logout: Logout, at: number): void {
    const isUsed = state.sessions.isJtiUsed[at]!
    if (this.#rules.jti === 'before the cut' && logout.done === 0 && !isUsed) {
      writeSessions(state).isJtiUsed[at] = true
      logout.done = 1
      return
    }
    const isRepetition = isUsed && !(this.#rules.jti === 'before the cut' && logout.done === 1)
    if (!isRepetition || this.#rules.jti === 'never') {
      const isNewer = state.sessions.records.some(({ openedAt }) => logout.isAnswered && openedAt > logout.answeredAt)
      if (isNewer && state.failovers === 0) throw new Violation('once')
      cut(state)
      if (this.#rules.jti !== 'never') state.sessions.isJtiUsed[at] = true
    }
    logout.done = 2
    answer(state, logout)
  }

  #movesOfStore (state: State): Move[] {
    const isCut = this.#scenario.hasLocalCut !== true || state.localCutAt > 0 || state.provider.last === 0
    return [
      ...isCut ? [] : [{ name: 'an operator cuts the subject', make: (next: State) => { cut(next); next.localCutAt = next.nowAt } }],
      ...state.failovers === 0 ? this.#failovers(state) : [],
      ...this.#rules.reasserts && state.failovers > 0 && isBehind(state) ? [{ name: 'the processes assert what they know', make: reassert }] : []
    ]
  }

  #failovers ({ sessionsBefore, tombstonesBefore }: State): Move[] {
    const { failovers = [], losesMemory = false } = this.#scenario
    const failOver = (shard: string, restore: (next: State) => void): Move => ({
      name: `the shard of the ${shard} fails over`,
      make (next) {
        restore(next)
        next.failovers++
        next.sessionsBefore = next.tombstonesBefore = null
        if (losesMemory) next.memory = { tombstones: [], ended: [], epoch: 1, cutAt: 0 }
      }
    })
    return [
      ...failovers.includes('sessions') && sessionsBefore !== null ? [failOver('subject', next => { next.sessions = sessionsBefore })] : [],
      ...failovers.includes('tombstones') && tombstonesBefore !== null ? [failOver('tombstones', next => { next.tombstones = tombstonesBefore })] : []
    ]
  }

  judge (state: State): void {
    for (const record of state.sessions.records) {
      if (!answers(state, record)) continue
      for (const { kind, from, issuedAt, isAnswered } of state.logouts) {
        if (isAnswered && (kind === 'sid' ? record.from.includes(from) : record.codeAt < issuedAt)) throw new Violation('logged out')
      }
      if (state.localCutAt > 0 && record.authAt < state.localCutAt) throw new Violation('cut')
    }
  }
}

function begin (state: State, tab: Tab): void {
  tab.phase = 'begun'
  tab.beganAt = ++state.nowAt
}

/** Starts the sign-in again, and asks the provider to authenticate the user. */
function beginAgain (state: State, tab: Tab): void {
  const restarts = tab.restarts + 1
  if (restarts > mostRestarts) return end(tab, 0)
  Object.assign(tab, { ...idle, restarts, isForced: true })
  begin(state, tab)
}

function authorize (state: State, tab: Tab, { isNew, isSilent }: { isNew: boolean, isSilent: boolean }): void {
  const { provider } = state
  if (!isSilent) provider.authAt = ++state.nowAt
  if (isNew) provider.from = ++provider.last
  Object.assign(tab, { phase: 'authorized', from: provider.from, authAt: provider.authAt, codeAt: ++state.nowAt })
}

/** What the product's functions decide from; an instant of the search is a second. */
function factsOf ({ sessions }: State, { beganAt, authAt, isForced }: Tab): SignInAfterCut {
  return { cutMs: sessions.cutAt === 0 ? null : sessions.cutAt * 1000, beganAtMs: beganAt * 1000, authTimeMs: authAt * 1000, isForced }
}

function end (tab: Tab, sid: number): void {
  Object.assign(tab, { ...idle, isStepUp: tab.isStepUp, phase: 'over', sid })
}

function release (state: State, tab: Tab): void {
  const record = state.sessions.records.find(({ sid }) => sid === tab.sid)
  // A record that has ended, or that a failover has forgotten, answers to no cookie.
  if (record !== undefined) state.released.push(record.sid * 10 + record.secret)
  end(tab, tab.sid)
}

/** Begins a write of the subject's shard, which a failover may lose. */
function writeSessions (state: State): Sessions {
  state.sessionsBefore = structuredClone(state.sessions)
  return state.sessions
}

function endRecord (state: State, sid: number): void {
  const sessions = writeSessions(state)
  sessions.records = sessions.records.filter(record => record.sid !== sid)
  remember(state.memory.ended, sid)
}

function cut (state: State): void {
  const sessions = writeSessions(state)
  sessions.records = []
  sessions.epoch++
  sessions.cutAt = ++state.nowAt
  Object.assign(state.memory, { epoch: sessions.epoch, cutAt: sessions.cutAt })
}

function answer (state: State, logout: Logout): void {
  if (!logout.isAnswered) logout.answeredAt = ++state.nowAt
  logout.isAnswered = true
}

function remember (known: number[], entry: number): void {
  if (!known.includes(entry)) known.push(entry)
}

/** Whether the processes know of a revocation that the store has forgotten. */
function isBehind ({ memory, sessions, tombstones }: State): boolean {
  return memory.epoch > sessions.epoch || memory.tombstones.some(from => !tombstones.includes(from)) || sessions.records.some(({ sid }) => memory.ended.includes(sid))
}

function reassert (state: State): void {
  const { memory, sessions } = state
  for (const from of memory.tombstones) remember(state.tombstones, from)
  sessions.records = sessions.records.filter(({ sid }) => !memory.ended.includes(sid))
  if (memory.epoch <= sessions.epoch) return
  sessions.records = sessions.records.filter(({ epoch }) => epoch >= memory.epoch)
  Object.assign(sessions, { epoch: memory.epoch, cutAt: memory.cutAt })
}

/** Whether a request with the cookie of a record is answered: the cookie has left, and no process knows that the session was revoked. */
function answers ({ memory, released }: State, { sid, secret, epoch }: SessionOfModel): boolean {
  return released.includes(sid * 10 + secret) && !memory.ended.includes(sid) && epoch >= memory.epoch
}
