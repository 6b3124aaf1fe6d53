import fc from 'fast-check'
import t, { type Test } from 'tap'
import { initial, next, type Answer, type Event, type Session, type State } from '../../client/machine.ts'

const session = (sid: string): Session => ({ sid, subject: 'ada', created_at: 0, auth_time: 0, acr: '1', amr: ['pwd'], idle_expires_at: 0, expires_at: 0, client: { user_agent: '', ip: '' }, device: null, provider: null })
const answer = (sid = 'one', token = 'token'): Answer => ({ session: session(sid), access_token: token, expires_in: 600, refresh_in: 400 })
const failure = (retryAfter: number | null = null) => Object.assign(new Error('away'), { code: 'PTC_ERR_STORE_UNAVAILABLE', status: 503, retryAfter })

const after = (...events: Event[]): State => events.reduce(next, initial)

t.test('a page knows nothing before it has asked', async t => {
  t.match(initial, { status: 'unknown', held: null, isBelieved: false })
  t.match(after(['ask']), { status: 'refreshing', question: 0 })
  t.match(after(['ask'], ['answered', answer()]), { status: 'signed-in', isBelieved: true, question: null })
  t.match(after(['ask'], ['answered', null]), { status: 'signed-out', held: null, question: null })
})

t.test('what is known is not asked again', async t => {
  for (const known of [after(['signed-in', answer()]), after(['ask'], ['answered', null])]) t.equal(next(known, ['ask']), known)
})

t.test('the token is good while the next one is asked for', async t => {
  t.match(after(['signed-in', answer()], ['due']), { status: 'refreshing', isBelieved: true, question: 1 })
})

t.test('a refused token is not used again, but one that has replaced it is', async t => {
  t.match(after(['signed-in', answer('one', 'new')], ['doubt', 'new']), { status: 'refreshing', isBelieved: false })
  t.match(after(['signed-in', answer('one', 'new')], ['doubt', 'old']), { status: 'signed-in', isBelieved: true })
})

t.test('a gateway that cannot be reached signs nobody out', async t => {
  const waiting = after(['signed-in', answer()], ['due'], ['failed', failure()])

  t.match(waiting, { status: 'waiting', isBelieved: true, failures: 1, held: answer() })
  t.match(next(waiting, ['due']), { status: 'refreshing' })
  t.match(next(next(waiting, ['due']), ['failed', failure()]), { status: 'waiting', failures: 2 })
})

t.test('the network coming back ends the waiting, unless the gateway has said how long to wait', async t => {
  t.match(after(['ask'], ['failed', failure()], ['wake']), { status: 'refreshing' })
  t.match(after(['ask'], ['failed', failure(5)], ['wake']), { status: 'waiting' })
})

t.test('a page out of the back-forward cache believes nothing', async t => {
  t.match(after(['signed-in', answer()], ['restored']), { status: 'refreshing', isBelieved: false })
  t.match(after(['ask'], ['answered', null], ['restored']), { status: 'unknown' })
})

t.test('an end that another tab tells of is believed of the session that is held, and of no other', async t => {
  t.match(after(['signed-in', answer('one')], ['heard', null, 'one']), { status: 'signed-out', held: null })
  t.match(after(['signed-in', answer('one')], ['heard', null, 'other']), { status: 'signed-in' })
  t.match(after(['signed-in', answer('one')], ['heard', null, undefined]), { status: 'refreshing', isBelieved: false })
  t.match(after(['ask'], ['heard', null, 'one'], ['answered', answer('one')]), { status: 'signed-out', held: null })
})

t.test('another tab signs this one in', async t => {
  t.match(after(['ask'], ['answered', null], ['heard', answer('two'), undefined]), { status: 'signed-in', held: answer('two') })
})

t.test('an answer that another tab had first makes the own question void', async t => {
  const heard = after(['signed-in', answer('one', 'first')], ['due'], ['heard', answer('one', 'second'), 'one'])

  t.match(heard, { status: 'signed-in', held: answer('one', 'second') })
  t.match(next(heard, ['answered', null]), { status: 'signed-in', held: answer('one', 'second'), question: null })
})

t.test('signing out what has been replaced meanwhile finds out what there is', async t => {
  t.match(after(['signed-in', answer('one')], ['heard', answer('two'), 'one'], ['signed-out', 'one']), { status: 'refreshing', isBelieved: false })
})

t.test('a step-up renews the session that is held, and brings none back', async t => {
  const stepped = answer('one', 'stepped up')

  t.match(after(['signed-in', answer()], ['step-up', true]), { status: 'stepping-up' })
  t.match(after(['signed-in', answer()], ['step-up', true], ['due'], ['answered', answer()]), { status: 'stepping-up' })
  t.match(after(['signed-in', answer()], ['step-up', true], ['stepped-up', stepped], ['step-up', false]), { status: 'signed-in', held: stepped })
  t.match(after(['signed-in', answer()], ['signed-out', 'one'], ['stepped-up', stepped]), { status: 'signed-out', held: null })
  t.match(after(['signed-in', answer('two')], ['stepped-up', stepped]), { held: answer('two') })
})

const sids = fc.constantFrom('one', 'two', 'three')
const answers = fc.record({ sid: sids, token: fc.constantFrom('a', 'b', 'c') }).map(({ sid, token }) => answer(sid, token))

/** What happens to a page; a question has an end only while one is out. */
const anything: fc.Arbitrary<Event> = fc.oneof<Array<fc.Arbitrary<Event>>>(
  fc.constantFrom<Event>(['ask'], ['due'], ['doubt'], ['restored'], ['wake'], ['answered', null], ['signed-out', undefined], ['heard', null, undefined], ['step-up', true], ['step-up', false]),
  fc.constantFrom('a', 'b', 'c').map(token => ['doubt', token]),
  fc.option(fc.nat(9)).map(retryAfter => ['failed', failure(retryAfter)]),
  answers.map(answer => ['answered', answer]),
  answers.map(answer => ['signed-in', answer]),
  answers.map(answer => ['stepped-up', answer]),
  sids.map(sid => ['signed-out', sid]),
  sids.map(sid => ['heard', null, sid]),
  fc.tuple(answers, fc.option(sids, { nil: undefined })).map(([answer, sid]) => ['heard', answer, sid])
)
const histories = fc.array(anything, { maxLength: 40 })

const endsQuestion = ([type]: Event): boolean => type === 'answered' || type === 'failed'

/** Every step of a history that can happen. */
function steps (history: Event[]): Array<{ before: State, event: Event, after: State }> {
  let before = initial
  return history.flatMap(event => {
    if (endsQuestion(event) && before.question === null) return []
    const step = { before, event, after: next(before, event) }
    before = step.after
    return [step]
  })
}

function always (t: Test, predicate: (step: ReturnType<typeof steps>[number]) => boolean): void {
  t.doesNotThrow(() => { fc.assert(fc.property(histories, history => steps(history).every(predicate)), { numRuns: 2000 }) })
}

/** The state that a history leads to. */
const stateAfter = (history: Event[]): State => steps(history).at(-1)?.after ?? initial

t.test('there is never a second question before the first one has ended', async t => {
  always(t, ({ before, event, after }) => before.question === null || endsQuestion(event) || after.question === before.question)
})

t.test('whoever is signed out holds nothing', async t => {
  always(t, ({ after }) => after.status !== 'signed-out' || (after.held === null && !after.isBelieved))
})

t.test('what is not there is not believed', async t => {
  always(t, ({ after }) => !after.isBelieved || after.held !== null)
})

t.test('a page that has to find out is always about to', async t => {
  always(t, ({ after }) => {
    if (after.status === 'refreshing') return after.question !== null
    if (after.status === 'waiting') return after.failure !== null
    return after.isBelieved || after.held === null
  })
})

t.test('only an end signs out', async t => {
  const ends = new Set<Event[0]>(['answered', 'signed-out', 'heard'])
  always(t, ({ before, event, after }) => before.held === null || after.held !== null || ends.has(event[0]))
})

t.test('no late answer signs in again who has signed out', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(histories, answers, (history, late) => {
    const before = stateAfter(history)
    const sid = before.held?.session.sid
    const signedOut = next(before, ['signed-out', sid])
    const lateEvents: Event[] = [['answered', late], ['stepped-up', late], ...sid === undefined ? [] : [['heard', answer(sid), sid] satisfies Event]]
    return lateEvents.every(event => (endsQuestion(event) && signedOut.question === null) || next(signedOut, event).held === null)
  }), { numRuns: 2000 }))
})

t.test('no late refusal signs out who has signed in', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(histories, answers, (history, fresh) => {
    const signedIn = next(stateAfter(history), ['signed-in', fresh])
    return signedIn.question === null || next(signedIn, ['answered', null]).held === fresh
  }), { numRuns: 2000 }))
})
