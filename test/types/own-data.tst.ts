import type { FastifyReply, FastifyRequest } from 'fastify'
import { describe, expect, test } from 'tstyche'
import type { AccessTokenOptions, DeepReadonly, MintOptions, Portcullis, SessionRecord } from '../../index.ts'

declare module '../../index.ts' {
  interface SessionData {
    cartId?: string
    visits?: Array<{ path: string }>
  }
  interface TokenClaims {
    plan?: 'free' | 'pro'
  }
}

declare const request: FastifyRequest
declare const reply: FastifyReply
declare const portcullis: Portcullis

describe('data of a session', () => {
  test('has the members that the application declares for the package', () => {
    expect(request.identity.data?.cartId).type.toBe<string | undefined>()
    expect(request.identity.data?.visits).type.toBe<ReadonlyArray<{ readonly path: string }> | undefined>()
    expect<NonNullable<FastifyRequest['identity']['data']>>().type.not.toHaveProperty('anything')
    expect<SessionRecord['data']['cartId']>().type.toBe<string | undefined>()
  })

  test('is null where no record was read', () => {
    expect<null>().type.toBeAssignableTo<FastifyRequest['identity']['data']>()
  })

  test('is checked where a session opens and where it is replaced', () => {
    for (const open of [reply.openSession, reply.openFamily]) {
      expect(open).type.toBeCallableWith({ subject: 'ada', data: { cartId: 'c', visits: [{ path: '/' }] } })
      expect(open).type.not.toBeCallableWith({ subject: 'ada', data: { cartId: 1 } })
      expect(open).type.not.toBeCallableWith({ subject: 'ada', data: { card: 'c' } })
    }
    expect(portcullis.session.update('sid', { cartId: 'c' })).type.toBe<Promise<SessionRecord | null>>()
    expect(portcullis.session.update).type.not.toBeCallableWith('sid', { cartId: 1 })
    expect(portcullis.session.update).type.not.toBeCallableWith('sid')
  })

  test('of an identity can be passed on with changes', () => {
    expect(portcullis.session.update).type.toBeCallableWith('sid', { ...request.identity.data, cartId: 'c' })
  })
})

describe('claims of tokens', () => {
  test('have the members that the application declares for the package', () => {
    expect(request.identity.claims?.plan).type.toBe<'free' | 'pro' | undefined>()
    expect<AccessTokenOptions>().type.toBeAssignableFrom<{ issuer: string, claims: (record: SessionRecord) => { plan: 'pro' } }>()
    expect<AccessTokenOptions>().type.not.toBeAssignableFrom<{ issuer: string, claims: () => { plan: 'gold' } }>()
    expect<AccessTokenOptions>().type.not.toBeAssignableFrom<{ issuer: string, claims: () => Promise<{ plan: 'pro' }> }>()
    expect<MintOptions>().type.toBeAssignableFrom<{ claims: () => { plan: 'free' } }>()
    expect<MintOptions>().type.not.toBeAssignableFrom<{ claims: () => { plan: 1 } }>()
  })
})

describe('a value that cannot be changed', () => {
  test('is read-only in all of its lists and objects', () => {
    expect<DeepReadonly<{ list: Array<{ name: string }>, pair: [number, string], nothing: null }>>().type.toBe<{ readonly list: ReadonlyArray<{ readonly name: string }>, readonly pair: readonly [number, string], readonly nothing: null }>()
  })
})
