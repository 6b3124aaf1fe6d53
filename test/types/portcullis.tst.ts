import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { describe, expect, test } from 'tstyche'
import type { Identity, SessionRecord, SessionView } from '../../index.ts'
import type { Session } from '../../client/machine.ts'
import type { TokenResponse } from '../../plugins/refresh-token/refresh-tokens.ts'

declare const app: FastifyInstance
declare const request: FastifyRequest
declare const reply: FastifyReply

describe('portcullis/client', () => {
  test('a session is what the gateway answers', () => {
    expect<Session>().type.toBe<SessionView>()
  })
})

describe('app.portcullis', () => {
  const { portcullis } = app

  test('the blocklist answers from memory at once, and by promise where the store is asked', () => {
    expect(portcullis.blocklist.isRevoked({ jti: 'j' })).type.toBe<boolean>()
    expect(portcullis.blocklist.assertNotRevoked({ jti: 'j' })).type.toBe<Promise<void>>()
    expect(portcullis.blocklist.revoke({ sid: 's' })).type.toBe<Promise<void>>()
    expect(portcullis.blocklist.close('s')).type.toBe<Promise<SessionRecord | null>>()
  })

  test('the blocklist takes the payload of a token and the identity of a request', () => {
    expect(portcullis.blocklist.isRevoked).type.toBeCallableWith(request.identity)
    expect(portcullis.blocklist.assertNotRevoked).type.toBeCallableWith(request.identity)
    expect(portcullis.blocklist.isRevoked).type.not.toBeCallableWith(request.identityOrNull)
    expect(portcullis.blocklist.isRevoked).type.not.toBeCallableWith({ subject: 'ada' })
  })

  test('a revocation names exactly one kind of thing', () => {
    expect(portcullis.blocklist.revoke).type.toBeCallableWith({ jti: 'j', issuer: 'i', expiresAt: 1 })
    expect(portcullis.blocklist.revoke).type.toBeCallableWith({ subject: 'ada', exceptSid: null })
    expect(portcullis.blocklist.revoke).type.toBeCallableWith({ all: true })
    expect(portcullis.blocklist.revoke).type.not.toBeCallableWith({})
    expect(portcullis.blocklist.revoke).type.not.toBeCallableWith({ jti: undefined })
    expect(portcullis.blocklist.revoke).type.not.toBeCallableWith({ all: false })
  })

  test('authenticate makes a hook, and knows what can be demanded', () => {
    expect(portcullis.authenticate({ audience: 'orders', scopes: ['orders:read'], stepUp: { maxAge: '5m' } })).type.toBe<onRequestHookHandler>()
    expect(portcullis.authenticate).type.not.toBeCallableWith({ audience: ['orders'] })
    expect(portcullis.authenticate).type.not.toBeCallableWith({ audience: 'orders', access: 'none' })
    expect(portcullis.authenticate).type.not.toBeCallableWith({ audience: 'orders', scope: ['orders:read'] })
    expect(portcullis.identify(request, { audience: 'orders' })).type.toBe<Promise<Identity>>()
  })

  test('tokens are texts, and verifying one is a promise only when it has to be', () => {
    expect(portcullis.accessToken.verify('t')).type.toBe<Identity | Promise<Identity>>()
    expect(portcullis.accessToken.verifyExpired('t')).type.toBe<Promise<Identity>>()
    expect(portcullis.mint(request.identity, 'orders')).type.toBe<string>()
  })

  test('there is no way around the hardened cookies', () => {
    expect(portcullis.cookies.set).type.toBeCallableWith(reply, 'session', 'v')
    expect(portcullis.cookies.set).type.not.toBeCallableWith(reply, 'session', 'v', { secure: false })
    expect(portcullis.cookies.set).type.not.toBeCallableWith(reply, 'other', 'v')
    expect(portcullis.cookies.read(request, 'refresh')).type.toBe<string | null>()
  })
})

describe('request', () => {
  test('an identity is never null, its subject is a text', () => {
    expect(request.identity.subject).type.toBe<string>()
    expect(request.identity.scopes).type.toBe<readonly string[]>()
    expect(request.identityOrNull).type.toBe<Identity | null>()
  })

  test('an identity cannot be changed or replaced', () => {
    expect<{ subject: Identity['subject'] }>().type.not.toBe<Pick<Identity, 'subject'>>()
    expect<Pick<FastifyRequest, 'identity'>>().type.toBe<{ readonly identity: Identity }>()
  })
})

describe('reply', () => {
  test('opening and rotating are promises of what the client is told', () => {
    expect(reply.openSession({ subject: 'ada' })).type.toBe<Promise<{ session: SessionView }>>()
    expect(reply.openFamily({ subject: 'ada', audiences: ['orders'] })).type.toBe<Promise<TokenResponse>>()
    expect(reply.rotateFamily()).type.toBe<Promise<TokenResponse>>()
    expect(reply.rotateFamily({ audience: ['orders'] })).type.toBe<Promise<TokenResponse>>()
  })

  test('nobody can be signed in as nobody', () => {
    expect(reply.openSession).type.not.toBeCallableWith({ subject: null })
    expect(reply.openFamily).type.not.toBeCallableWith({})
    expect(reply.rotateFamily).type.not.toBeCallableWith({ audience: 'orders' })
  })

  test('an answer has no refresh token in it', () => {
    expect<TokenResponse>().type.not.toHaveProperty('refresh_token')
    expect<TokenResponse['access_token']>().type.toBe<string>()
  })
})
