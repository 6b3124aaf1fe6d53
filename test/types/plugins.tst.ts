import Fastify from 'fastify'
import { describe, expect, test } from 'tstyche'
import { blocklist, defineConfig, type AuthenticateOptions, type Blocklist, type ConfigInput, type CookiesOptions, type Identity, type PasswordVerifier, type SessionView, type SignInHooks, type Store } from '../../index.ts'

const app = Fastify()

describe('the plugins', () => {
  test('add their parts to the instance', () => {
    expect(app.portcullis.blocklist).type.toBe<Blocklist>()
    expect(app.portcullis.store).type.toBe<Store>()
    expect(app.portcullis).type.not.toHaveProperty('anything')
  })

  test('answer whether a token was revoked at once, so that a negation cannot hide a promise', () => {
    expect(app.portcullis.blocklist.isRevoked({})).type.toBe<boolean>()
  })

  test('add an identity to requests that is never null, and one that may be', () => {
    app.get('/', request => {
      expect(request.identity).type.toBe<Identity>()
      expect(request.identityOrNull).type.toBe<Identity | null>()
    })
  })

  test('add what opens sessions to replies', () => {
    app.get('/', (_request, reply) => {
      expect(reply.openSession({ subject: 'ada' })).type.toBe<Promise<{ session: SessionView }>>()
      expect(reply.openSession).type.not.toBeCallableWith({})
    })
  })

  test('take their own options alone', () => {
    expect(app.register(blocklist, { maxStaleness: '2s' })).type.not.toRaiseError()
    expect<CookiesOptions>().type.not.toBeAssignableFrom<{ origin: string, sameSite: 'none' }>()
    expect<AuthenticateOptions>().type.not.toBeAssignableFrom<object>()
  })
})

describe('a configuration', () => {
  test('has the types of its settings', () => {
    expect(defineConfig).type.toBeCallableWith({ origin: 'https://app.example.com', identity: async () => null })
    expect(defineConfig).type.not.toBeCallableWith({ origin: 1, identity: async () => null })
    expect<ConfigInput>().type.not.toBeAssignableFrom<{ origin: string }>()
  })
})

describe('the password verifier', () => {
  test('may know no second factor, or name the state of its own', () => {
    expect<PasswordVerifier>().type.toBeAssignableFrom<{ verify: (credentials: { username: string, password: string }) => Promise<{ subject: string, scopes: string[] } | null> }>()
    expect<PasswordVerifier>().type.toBeAssignableFrom<{ verify: () => Promise<{ challenge: 'otp', state: { id: number } }>, verifyChallenge: (state: { id: number }, response: string) => Promise<{ subject: string, scopes: string[], acr: string } | null> }>()
    expect<PasswordVerifier>().type.not.toBeAssignableFrom<{ verify: () => Promise<{ challenge: 'otp' }> }>()
  })

  test('has hooks of these names alone', () => {
    expect<SignInHooks>().type.toBeAssignableFrom<{ beforeSignIn: () => { scopes: string[] }, afterSignOut: (request: unknown, facts: { sids: string[] }) => Promise<void> }>()
    expect<keyof SignInHooks>().type.toBe<'beforeSignIn' | 'afterSignIn' | 'beforeRefresh' | 'afterRefresh' | 'beforeSignOut' | 'afterSignOut'>()
  })
})
