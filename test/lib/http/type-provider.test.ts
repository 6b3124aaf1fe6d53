import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { serializerCompiler, validatorCompiler, type TypeBoxProvider } from '../../../lib/http/type-provider.ts'

const Body = Type.Object({ name: Type.String({ errorMessage: 'must be a text' }), count: Type.Optional(Type.Integer({ default: 7 })) }, { additionalProperties: false })

function build (t: Test) {
  const app = Fastify().withTypeProvider<TypeBoxProvider>().setValidatorCompiler(validatorCompiler)
  t.teardown(() => app.close())
  app.post('/', { schema: { body: Body } }, async ({ body }) => ({ length: body.name.length, body }))
  app.setErrorHandler(async (error, _request, reply) => await reply.code(400).send(error))
  return app
}

t.test('values pass as they are: nothing is coerced, defaulted or removed', async t => {
  const app = build(t)

  t.same((await app.inject({ method: 'POST', url: '/', payload: { name: 'ada' } })).json(), { length: 3, body: { name: 'ada' } })
  for (const payload of [{ name: 1 }, { name: 'ada', count: '1' }, { name: 'ada', other: 1 }, {}, [], [{ name: 'ada' }]]) {
    t.equal((await app.inject({ method: 'POST', url: '/', payload })).statusCode, 400, JSON.stringify(payload))
  }
})

t.test('an error names the place in the schema\'s words and repeats nothing of the request', async t => {
  const validate = validatorCompiler({ schema: Body, method: 'POST', url: '/', httpPart: 'body' })

  t.match(validate({ name: 1 }), { error: { code: 'PTC_ERR_REQUEST_INVALID', detail: 'body.name must be a text' } })
  t.match(validate({ name: 'ada', hunter2: 1 }), { error: { detail: 'body must have only the documented members' } })
  t.match(validate({ name: 'ada', count: 'hunter2' }), { error: { detail: 'body.count is not valid' } })
  t.same(validate({ name: 'ada' }), { value: { name: 'ada' } })
})

t.test('a response schema describes what is sent and drops nothing of it', async t => {
  const app = Fastify().setSerializerCompiler(serializerCompiler)
  const schema = { response: { 200: Type.Object({ listed: Type.String() }) } }
  app.get('/', { schema }, async () => ({ listed: 'a', unlisted: { nested: [1, null, new Date(0)] }, absent: undefined }))

  t.equal((await app.inject('/')).body, '{"listed":"a","unlisted":{"nested":[1,null,"1970-01-01T00:00:00.000Z"]}}')
})
