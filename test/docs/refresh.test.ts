import t from 'tap'
import { openFamily, receive, rotate, type FamilyOutcome, type RotationWindows, type TokenFamily } from '../../lib/session/rotation.ts'
import type { Rotation } from '../../stores/store.ts'
import { buildApp, cookieOf, createStore, decode, openFamily as signIn, recordEvents, refreshCookieName } from '../helpers/build-app.ts'
import { cellsUnder, readDocument } from '../helpers/documents.ts'

const text = await readDocument('docs/reference/refresh.md')

const windows: RotationWindows = { overlapMs: 10_000, retryWindowMs: 1_800_000 }
const authentication = { authTimeMs: 0, acr: '1', amr: ['pwd'] }

/** A family of which N is the newest generation, and the instant at which a token is presented. */
interface State { family: TokenFamily, nowMs: number, windows?: RotationWindows }

/** Returns a family in which each generation up to `count` was presented, one a second. */
function familyAfter (count: number): State {
  let family = openFamily(0)
  let nowMs = 0
  for (let generation = 1; generation <= count; generation++) family = present({ family, nowMs: nowMs += 1000 }, generation).family
  return { family, nowMs }
}

/** Returns the state after a presentation that the session survives. */
function present ({ family, nowMs }: State, generation: number, fresh?: { acr: string, amr: string[] }): State {
  const transition = rotate(family, { generation, authentication, ...fresh === undefined ? {} : { fresh } }, nowMs, windows)
  if (transition.family === null) throw new Error(transition.outcome)
  return { family: transition.family, nowMs }
}

const wait = (state: State, ms: number): State => ({ ...state, nowMs: state.nowMs + ms })
const received = (state: State): State => ({ ...state, family: receive(state.family, state.family.generation, state.nowMs, windows) })

/** An example of each row: the state, and how far the presented generation is from N. */
const examples: Array<[state: State, distance: number]> = [
  [wait(familyAfter(3), 60_000), 0],
  [wait(present(familyAfter(3), 3), 5000), 0],
  [{ ...familyAfter(3), family: { ...familyAfter(20).family, closed: Array.from({ length: 8 }, (_, index) => [index + 12, 3000]) } }, 0],
  [wait(familyAfter(3), windows.retryWindowMs), -1],
  [wait(familyAfter(3), windows.retryWindowMs + 1), -1],
  [{ ...familyAfter(3), windows: { ...windows, retryWindowMs: 0 } }, -1],
  [wait(received(familyAfter(3)), windows.overlapMs), -1],
  [wait(received(present(familyAfter(3), 4, { acr: '2', amr: ['otp'] })), 5000), -1],
  [wait(received(familyAfter(3)), windows.overlapMs + 1), -1],
  [familyAfter(3), 3],
  [familyAfter(3), 4]
]

t.test('the table of decisions has the outcome of an example of each row, and every outcome', async t => {
  const rows = cellsUnder(text, 'Decision', 3)
  const outcomes = examples.map(([{ family, nowMs, windows: other = windows }, distance]) =>
    rotate(family, { generation: family.generation + distance, authentication: { ...authentication, authTimeMs: family.stepUp === null ? 0 : nowMs } }, nowMs, other).outcome)

  t.same(rows.map(([,, outcome]) => outcome), outcomes)
  t.same([...new Set(outcomes)].sort(), ['expired', 'held', 'recovered', 'repeated', 'reused', 'rotated'] satisfies FamilyOutcome[])
})

t.test('the table of effects has what a client receives, and the event', async t => {
  for (const [outcome = '', status, token = '', cookie, event = ''] of cellsUnder(text, 'Effect', 5)) {
    const events = recordEvents(t)
    const { store } = await createStore(t)
    const app = await buildApp(t, store)
    const { cookie: presented, sid } = await signIn(app)
    const record = await store.read(sid)
    // The store has handed out generation 1. The answer names another one as the newest, so that the two can be distinguished.
    const answered = { ...record!, family: { ...record!.family!, generation: 7 } }
    store.rotate = async () => ({ outcome, record: outcome === 'unknown' ? null : answered, granted: Number(status) === 200 ? authentication : null, counted: null }) as Rotation

    const response = await app.inject({ method: 'POST', url: '/refresh', headers: { cookie: presented } })

    const next = cookieOf(response, refreshCookieName)
    t.equal(response.statusCode, Number(status), outcome)
    t.equal(next === null ? 'unchanged' : generationOf(next), cookie === 'unchanged' ? 'unchanged' : 7, outcome)
    if (status === '200') t.equal(decode(response.json<{ access_token: string }>().access_token).claims['gen'], token === 'the presented generation' ? 1 : 7, outcome)
    else t.equal(response.json<{ code: string }>().code, 'PTC_ERR_REFRESH_REFUSED')
    t.ok(events.some(published => published.event === event && published.outcome === outcome), `${event} ${outcome}`)

    function generationOf (value: string): number | null {
      const parsed = app.portcullis.refreshToken.parse(value.replace(/^[^=]*=/, ''))
      return parsed.result === 'genuine' ? parsed.generation : null
    }
  }
})
