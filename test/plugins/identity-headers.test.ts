import fc from 'fast-check'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { Identity } from '../../lib/identity.ts'
import { identityOfSession } from '../../lib/identity.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'
import { createIdentityHeaders } from '../../plugins/proxy/identity-headers.ts'
import { sessionRecord } from '../helpers/build-app.ts'

const portcullis = { mint: (identity: Identity, audience: string) => `minted.${identity.subject}.${audience}` } as unknown as Portcullis
const ada = identityOfSession(sessionRecord({ scopes: ['a', 'b'] }))

function request (identityOrNull: Identity | null, authorization?: string): FastifyRequest {
  return { identityOrNull, headers: authorization === undefined ? {} : { authorization } } as unknown as FastifyRequest
}

t.test('nobody is told as nobody, whatever the client sent', async t => {
  for (const forward of ['mint', 'pass', 'headers', 'none'] as const) t.same(createIdentityHeaders(portcullis, forward, 'orders')(request(null, 'Bearer x')), [], forward)
})

t.test('mint: a token for that upstream, never without an audience', async t => {
  t.same(createIdentityHeaders(portcullis, 'mint', 'orders')(request(ada, 'Bearer x')), ['authorization', 'Bearer minted.ada.orders'])
  t.same(createIdentityHeaders(portcullis, 'mint', null)(request(ada)), [])
})

t.test('pass: the client\'s own token, only when it is good nowhere else', async t => {
  const pass = createIdentityHeaders(portcullis, 'pass', 'orders')

  t.same(pass(request({ ...ada, audiences: ['orders'] }, 'Bearer x')), ['authorization', 'Bearer x'])
  t.same(pass(request({ ...ada, audiences: ['orders'] })), [])
  for (const audiences of [['orders', 'billing'], []]) t.throws(() => pass(request({ ...ada, audiences }, 'Bearer x')), { code: 'PTC_ERR_TOKEN_INVALID' })
})

t.test('headers: who, in which session, allowed what', async t => {
  t.same(createIdentityHeaders(portcullis, 'headers', null)(request(ada)), ['x-auth-subject', 'ada', 'x-auth-session', ada.sid, 'x-auth-scope', 'a b'])
})

t.test('none: nothing', async t => {
  t.same(createIdentityHeaders(portcullis, 'none', null)(request(ada, 'Bearer x')), [])
})

t.test('any subject is one header value, and no two subjects are the same one', async t => {
  const headers = createIdentityHeaders(portcullis, 'headers', null)
  const told = async (subject: string): Promise<string> => (await headers(request({ ...ada, subject })))[1] ?? ''

  t.equal(await told('idp|ada@example.com'), 'idp|ada@example.com')
  t.equal(await told('a%20b'), 'a%2520b')
  t.equal(await told('a b'), 'a%20b')
  t.equal(await told('a\r\nx-admin: 1'), 'a%0D%0Ax-admin%3A%201')
  await fc.assert(fc.asyncProperty(fc.string({ unit: 'grapheme' }), async subject => {
    const text = await told(subject)
    return /^[\x21-\x7e]*$/.test(text) && decodeURIComponent(text) === subject
  }))
})
