import Fastify from 'fastify'
import { describe, expect, test } from 'tstyche'
import type { Writable } from 'node:stream'
import type { Registry } from 'prom-client'
import { blocklist, defineConfig, type AuditEvent, type AuditOptions, type AuthenticateDemand, type AuthenticateOptions, type Blocklist, type BlocklistOptions, type ConfigInput, type CookiesOptions, type CorsOptions, type Counts, type MetricsOptions, type OidcOptions, type RateLimitOptions, type Identity, type PasswordVerifier, type SessionView, type SignInHooks, type Store } from '../../index.ts'

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

describe('options', () => {
  test('take durations with a unit, and no other text', () => {
    expect<BlocklistOptions>().type.toBeAssignableFrom<{ maxTokenAge: '15m' }>()
    expect<BlocklistOptions>().type.toBeAssignableFrom<{ maxTokenAge: number }>()
    expect<BlocklistOptions>().type.not.toBeAssignableFrom<{ maxTokenAge: 'banana' }>()
    expect<BlocklistOptions>().type.not.toBeAssignableFrom<{ maxTokenAge: '15' }>()
    expect<AuthenticateDemand>().type.not.toBeAssignableFrom<{ audience: 'a', stepUp: { maxAge: 'banana' } }>()
    expect<AuthenticateDemand>().type.toBeAssignableFrom<{ audience: 'a', stepUp: { maxAge: '5m' } }>()
  })

  test('name identity providers with their client, and judge their users by claims', () => {
    interface Corp { name: 'corp', issuer: string, clientId: string, clientSecret: string }
    expect<OidcOptions>().type.toBeAssignableFrom<{ secret: string, providers: [Corp] }>()
    expect<OidcOptions>().type.toBeAssignableFrom<{ secret: string, providers: [Corp & { maxAge: '8h', grant: [{ claim: 'groups', value: 'admins', scopes: ['orders:write'] }], allow: { claim: 'email_domain', value: string } }] }>()
    expect<OidcOptions>().type.toBeAssignableFrom<{ secret: string, providers: [Corp], onSignIn: (request: unknown, facts: { sub: string }) => { scopes: string[] } }>()
    expect<OidcOptions>().type.not.toBeAssignableFrom<{ providers: [Corp] }>()
    expect<OidcOptions>().type.not.toBeAssignableFrom<{ secret: string, providers: [Omit<Corp, 'issuer'>] }>()
    expect<OidcOptions>().type.not.toBeAssignableFrom<{ secret: string, providers: [Corp & { maxAge: 'banana' }] }>()
    expect<OidcOptions>().type.not.toBeAssignableFrom<{ secret: string, providers: [Corp & { prompt: 'none' }] }>()
  })

  test('take lists that cannot be changed', () => {
    expect<AuthenticateDemand>().type.toBeAssignableFrom<{ audience: string, scopes: readonly string[] }>()
    expect<CorsOptions>().type.toBeAssignableFrom<{ origin: string, origins: readonly string[] }>()
  })

  test('take sinks as functions and as streams, registries of prom-client, and typed counts', () => {
    expect<AuditOptions>().type.toBeAssignableFrom<{ sink: (event: AuditEvent) => void }>()
    expect<AuditOptions>().type.toBeAssignableFrom<{ sink: Writable }>()
    expect<AuditOptions>().type.not.toBeAssignableFrom<{ sink: string }>()
    expect<MetricsOptions>().type.toBeAssignableFrom<{ registry: Registry }>()
    expect<RateLimitOptions>().type.toBeAssignableFrom<{ counts: Counts }>()
    expect<RateLimitOptions>().type.not.toBeAssignableFrom<{ counts: { add: () => void } }>()
  })
})
