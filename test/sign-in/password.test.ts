import t from 'tap'
import { createPasswordWay } from '../../sign-in/password.ts'
import { sessionRecord } from '../helpers/build-app.ts'

const verify = async ({ username, password }: { username: string, password: string }) => password === 'correct horse' ? { subject: `s-${username}`, scopes: ['orders:read'] } : null

t.test('a password authenticates the subject of its user name', async t => {
  const way = createPasswordWay({ verify })
  t.strictSame(await way.complete({ username: 'ada', password: 'correct horse' }), { acr: '1', amr: ['pwd'], subject: 's-ada', scopes: ['orders:read'], username: 'ada' })
  t.equal(await way.complete({ username: 'ada', password: 'wrong' }), null)
})

t.test('a step-up takes the password of the name that was signed in with, and of its subject alone', async t => {
  const way = createPasswordWay({ verify })
  t.strictSame(await way.stepUp({ password: 'correct horse' }, sessionRecord({ username: 'ada', subject: 's-ada' })), { acr: '1', amr: ['pwd'] })
  t.equal(await way.stepUp({ password: 'wrong' }, sessionRecord({ username: 'ada', subject: 's-ada' })), null)
  t.equal(await way.stepUp({ password: 'correct horse' }, sessionRecord({ username: 'ada', subject: 's-eve' })), null)
})

t.test('events name an account by its subject, where the source knows it', async t => {
  const credentials = { username: 'ada', password: 'wrong' }
  t.strictSame(createPasswordWay({ verify }).accountOf(credentials), { name: 'ada', known: undefined })
  t.strictSame(createPasswordWay({ verify, subjectOf: () => 's-ada' }).accountOf(credentials), { name: 'ada', known: { subject: 's-ada' } })
  t.strictSame(createPasswordWay({ verify, subjectOf: () => null }).accountOf(credentials), { name: 'ada', known: { account: 'unknown' } })
})
