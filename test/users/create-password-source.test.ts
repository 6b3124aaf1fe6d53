import { join } from 'node:path'
import t from 'tap'
import { createPasswordSource } from '../../users/create-password-source.ts'
import { hashPassword } from '../../users/password.ts'

const credentials = { username: 'ada', password: 'correct horse' }

t.test('a function may answer with a subject, with scopes too, or with null', async t => {
  t.strictSame(await (await createPasswordSource(async () => 'u-1')).verify(credentials), { subject: 'u-1', scopes: [] })
  t.strictSame(await (await createPasswordSource(async () => ({ subject: 'u-1', scopes: ['a'] }))).verify(credentials), { subject: 'u-1', scopes: ['a'] })
  t.strictSame(await (await createPasswordSource(async () => ({ subject: 'u-1' }))).verify(credentials), { subject: 'u-1', scopes: [] })
  t.equal(await (await createPasswordSource(async () => null)).verify(credentials), null)
})

t.test('a function is given the credentials', async t => {
  const identity = await createPasswordSource(async ({ username, password }) => password === 'correct horse' ? username : null)

  t.match(await identity.verify(credentials), { subject: 'ada' })
  t.equal(await identity.verify({ ...credentials, password: 'x' }), null)
})

t.test('a function whose answer is no subject signs nobody in', async t => {
  for (const answer of ['', 'a b', 'idp|ada', true, undefined, { scopes: [] }, { subject: 'u-1', scopes: 'a' }, { subject: 'u-1', scopes: ['a b'] }, { subject: 'u-1', scopes: [1] }]) {
    const identity = await createPasswordSource(async () => answer as string)
    await t.rejects(identity.verify(credentials), TypeError)
  }
})

t.test('a function that asks for a second factor signs nobody in', async t => {
  const identity = await createPasswordSource(async () => ({ challenge: 'otp', state: 1, subject: 'u-1', scopes: [] }))
  await t.rejects(identity.verify(credentials), { name: 'TypeError', message: /^identity: a function cannot ask for a second factor/ })
})

t.test('a function that fails signs nobody in', async t => {
  const identity = await createPasswordSource(async () => { throw new Error('away') })

  await t.rejects(identity.verify(credentials), { message: 'away' })
})

t.test('a file of users is read', async t => {
  const users = [{ username: 'ada', password: await hashPassword('correct horse', { ln: 4, r: 8, p: 1 }) }]
  const file = join(t.testdir({ 'users.json': JSON.stringify({ users }) }), 'users.json')

  const identity = await createPasswordSource({ type: 'users', file })
  t.match(await identity.verify(credentials), { subject: 'ada' })
})

t.test('anything else is refused', async t => {
  await t.rejects(createPasswordSource({ type: 'ldap' } as unknown as { type: 'users', file: string }), { code: 'PTC_ERR_CONFIG_INVALID' })
})
