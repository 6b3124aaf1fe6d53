import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { describeSecondFactor, problems } from '../../lib/http/route-schema.ts'
import { LoginRefusedError, SecondFactorRequiredError } from '../../lib/errors.ts'
import { createStepUpSchema, createLoginSchema } from '../../routes/auth.ts'
import { createWays } from '../../sign-in/ways.ts'
import { createStore } from '../helpers/build-app.ts'
import { createValidator } from '../helpers/openapi.ts'
import { buildSecondFactorApp } from '../helpers/second-factor.ts'

type Operation = { requestBody: { content: Record<string, { schema: { anyOf?: Array<{ properties: object }> } }> }, responses: Record<string, { content: Record<string, { schema: object }> }> }

async function describe (t: Test, hasSecondFactor: boolean): Promise<Record<'/login' | '/step-up', Operation>> {
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: { openapi: '3.1.0' } })
  const ways = createWays({ identity: { verify: async () => null, ...hasSecondFactor ? { verifyChallenge: async () => null } : {} } })
  app.post('/login', { schema: createLoginSchema(ways, { hasTokens: true }), validatorCompiler: () => () => true, serializerCompiler: () => JSON.stringify }, async () => ({}))
  app.post('/step-up', { schema: createStepUpSchema(ways), validatorCompiler: () => () => true, serializerCompiler: () => JSON.stringify }, async () => ({}))
  await app.ready()
  const { paths } = app.swagger() as unknown as { paths: Record<'/login' | '/step-up', { post: Operation }> }
  return { '/login': paths['/login'].post, '/step-up': paths['/step-up'].post }
}

const membersOf = ({ requestBody: { content } }: Operation): string[][] => [content['application/json']!.schema].flatMap(({ anyOf, ...alone }) => anyOf ?? [alone as { properties: object }]).map(({ properties }) => Object.keys(properties))

t.test('the document of an application with second factors has the answer to a challenge, and the challenge', async t => {
  const described = await describe(t, true)
  t.same(membersOf(described['/login']), [['username', 'password', 'mode', 'audience'], ['challenge_token', 'response']])
  t.same(membersOf(described['/step-up']), [['password'], ['challenge_token', 'response']])

  const { store } = await createStore(t)
  const { begin } = await buildSecondFactorApp(t, store)
  const body: unknown = (await begin()).response.json()
  for (const path of ['/login', '/step-up'] as const) {
    const validate = createValidator().compile(described[path].responses['401']!.content['application/problem+json']!.schema)
    t.ok(validate(body), JSON.stringify(validate.errors))
    t.notOk(validate({ ...body as object, code: 'PTC_ERR_LOGIN_REFUSED' }))
  }
})

t.test('the document of any other application has neither', async t => {
  const described = await describe(t, false)
  t.notMatch(JSON.stringify(described), /challenge/)
})

t.test('the errors that a route could answer before stay in its description', t => {
  const { description } = describeSecondFactor(problems(LoginRefusedError), new SecondFactorRequiredError())['401']!
  t.match(description, /PTC_ERR_LOGIN_REFUSED: .* PTC_ERR_SECOND_FACTOR_REQUIRED: A second factor is required\./)
  t.end()
})
