import { Type } from '@sinclair/typebox'
import t from 'tap'
import { validatorCompiler } from '../../lib/http/type-provider.ts'
import { createLoginSchema, createStepUpSchema } from '../../routes/auth.ts'
import type { Way } from '../../sign-in/way.ts'
import { createWays, findWay } from '../../sign-in/ways.ts'

const [password] = createWays({ identity: { verify: async () => null } }) as [Way]
const code: Way = {
  name: 'code',
  signInFields: Type.Object({ code: Type.String() }, { additionalProperties: false }),
  stepUpFields: Type.Object({ code: Type.String() }, { additionalProperties: false }),
  accountOf: () => ({ name: 'code', known: undefined }),
  complete: async () => null,
  stepUp: async () => null,
  answer: null
}

t.test('a way is found by the members that were posted, all of them and no other ones', async t => {
  t.equal(findWay([password, code], 'signInFields', { username: 'ada', password: 'correct horse' }), password)
  t.equal(findWay([password, code], 'signInFields', { code: '1' }), code)
  t.equal(findWay([password, code], 'stepUpFields', { password: 'correct horse' }), password)
  t.equal(findWay([password, code], 'stepUpFields', { code: '1' }), code)
  for (const posted of [{}, { password: 'correct horse' }, { username: 'ada', password: 'correct horse', code: '1' }, { code: 1 }]) {
    t.throws(() => findWay([password, code], 'signInFields', posted), { code: 'PTC_ERR_REQUEST_INVALID' }, JSON.stringify(posted))
  }
})

t.test('a body of login and step-up has the members of one of the ways', async t => {
  const [login, stepUp] = [createLoginSchema([password, code], { hasTokens: true }), createStepUpSchema([password, code])].map(({ body }) => validatorCompiler({ schema: body, method: 'POST', url: '/', httpPart: 'body' })) as [(value: unknown) => { error?: Error }, (value: unknown) => { error?: Error }]
  for (const body of [{ username: 'ada', password: 'correct horse' }, { code: '1', mode: 'tokens', audience: ['orders'] }]) t.equal(login(body).error, undefined, JSON.stringify(body))
  for (const body of [{ password: 'correct horse' }, { code: '1' }]) t.equal(stepUp(body).error, undefined, JSON.stringify(body))
  t.match(login({ username: 'ada', code: '1' }).error, { detail: 'body must be an object with username and password, or with code' })
  t.match(stepUp({ code: '1', mode: 'tokens' }).error, { detail: 'body must be an object with password, or with code' })
})
