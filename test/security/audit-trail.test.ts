import { join } from 'node:path'
import t, { type Test } from 'tap'
import { eventChannel, type SecurityEvent } from '../../lib/events.ts'
import { password, post, signIn, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { writeUsers } from '../helpers/portcullis.ts'

/** The events as the audit log has them, with their requests and without their time. */
function recordAll (t: Test): SecurityEvent[] {
  const events: SecurityEvent[] = []
  const record = (event: unknown): void => {
    const { at: _, ...rest } = event as SecurityEvent
    events.push(rest)
  }
  eventChannel.subscribe(record)
  t.teardown(() => { eventChannel.unsubscribe(record) })
  return events
}

async function startWithUsers (t: Test): Promise<TestGateway> {
  const file = join(t.testdir({}), 'users.json')
  await writeUsers(file, ['ada'])
  return await startGateway(t, { identity: { type: 'users', file } })
}

/*
 * After an attack an operator asks which account was tried, what was forged, and which lines of the log belong together.
 */
t.test('a refused sign-in names the account that was tried, and its request', async t => {
  const { url } = await startWithUsers(t)
  const events = recordAll(t)

  const answer = await post(`${url}/auth/login`, { username: 'ada', password: 'wrong' })

  t.equal(answer.status, 401)
  t.same(events, [{ event: 'login.refused', subject: 'ada', ip: '127.0.0.1', request: answer.headers.get('x-request-id') }])
})

/*
 * A password that was typed into the field of the name must not be in the log, nor anything from which it could be guessed.
 */
t.test('the name of a sign-in that is no account\'s is never in an event', async t => {
  const { url } = await startWithUsers(t)
  const events = recordAll(t)

  for (const username of [password, 'Ada', 'ada ', '__proto__', 'constructor']) await post(`${url}/auth/login`, { username, password: 'wrong' })

  t.equal(events.length, 5)
  for (const { ip: _, request: __, ...rest } of events) t.same(rest, { event: 'login.refused', account: 'unknown' })
})

t.test('a refused step-up names session, subject and request', async t => {
  const { url } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  const events = recordAll(t)

  const answer = await post(`${url}/auth/step-up`, { password: 'wrong' }, { cookie })

  t.same(events, [{ event: 'login.refused', sid, subject: 'ada', ip: '127.0.0.1', outcome: 'step-up', request: answer.headers.get('x-request-id') }])
})

t.test('a forged request is an event with its method and its path, and without its query', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const events = recordAll(t)

  const answer = await post(`${url}/auth/logout?token=zebra`, undefined, { cookie, 'sec-fetch-site': 'cross-site' })

  t.equal(answer.status, 403)
  t.same(events, [{ event: 'csrf.refused', ip: '127.0.0.1', request: answer.headers.get('x-request-id'), method: 'POST', path: '/auth/logout' }])
})

t.test('a budget that is used up names the account, where it is one', async t => {
  const { url } = await startGateway(t, { rateLimit: { signIn: { max: 2, window: '1m' } } })
  const { cookie, sid } = await signIn(url)
  const events = recordAll(t)

  for (let i = 0; i < 3; i++) await post(`${url}/auth/step-up`, { password: 'wrong' }, { cookie })

  const limited = events.filter(({ event }) => event === 'rate.limited')
  t.match(limited, [{ subject: 'ada', sid, ip: '127.0.0.1', outcome: 'signIn', budget: 'signIn', request: /^[0-9a-f-]{36}$/ }])
})
