import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { describeSignIn } from '../../../lib/session/sign-in.ts'

function request (userAgent?: string): FastifyRequest {
  return { headers: userAgent === undefined ? {} : { 'user-agent': userAgent }, ip: '192.0.2.1' } as unknown as FastifyRequest
}

t.test('a subject alone gets no scopes, no audiences, and the weakest authentication', async t => {
  t.same(describeSignIn(request(), { subject: 'ada' }), { subject: 'ada', username: 'ada', scopes: [], audiences: [], acr: '1', amr: ['pwd'], client: { userAgent: '', ip: '192.0.2.1' } })
})

t.test('what was said of the sign-in is kept', async t => {
  const signIn = { subject: 'ada', scopes: ['a'], audiences: ['orders'], acr: '2', amr: ['pwd', 'otp'] }

  t.match(describeSignIn(request('agent'), signIn), { ...signIn, client: { userAgent: 'agent' } })
})

t.test('a long user agent is cut', async t => {
  t.equal(describeSignIn(request('x'.repeat(10_000)), { subject: 'ada' }).client.userAgent, 'x'.repeat(256))
})

t.test('a sign-in of nobody is refused', async t => {
  for (const subject of ['', null, undefined, 0, {}, ['ada']]) {
    t.throws(() => describeSignIn(request(), { subject: subject as string }), { code: 'PTC_ERR_LOGIN_REFUSED' }, JSON.stringify(subject))
  }
})
