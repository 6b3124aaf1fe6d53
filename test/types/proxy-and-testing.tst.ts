import Fastify, { type FastifyRequest } from 'fastify'
import { describe, expect, test } from 'tstyche'
import { proxy, securitySchemes, store, type Identity, type ProxyOptions } from '../../index.ts'
import { failingStore, signedIn, testClock, type FailingStore, type memoryStore } from '../../plugins/testing/testing.ts'

const app = Fastify()
const options = { prefix: '/wiki', origin: 'https://app.example.com', target: 'http://127.0.0.1:3001' }

describe('the hooks of the proxy', () => {
  test('receive a request with its identity, and what they observe', () => {
    const given: ProxyOptions = {
      ...options,
      preForward (request) {
        expect(request).type.toBe<FastifyRequest>()
        expect(request.identity).type.toBe<Identity>()
      },
      rewriteHeaders: ({ server, ...headers }) => ({ ...headers, 'x-count': 1, 'x-list': ['a'] as const, 'x-absent': undefined }),
      onResponse (_request, response) {
        expect(response).type.toBe<{ status: number, ms: number, bytes: number, target: string | null }>()
      },
      onError (error) { expect(error).type.toBe<Error>() }
    }
    expect(app.register(proxy, given)).type.not.toRaiseError()
  })

  test('may be asynchronous, or return anything that is ignored, but headers are returned at once', () => {
    expect<ProxyOptions>().type.toBeAssignableFrom<typeof options & { preForward: () => Promise<void>, onResponse: () => number, onError: () => Promise<void> }>()
    expect<ProxyOptions>().type.not.toBeAssignableFrom<typeof options & { rewriteHeaders: () => Promise<Record<string, string>> }>()
    expect<ProxyOptions>().type.not.toBeAssignableFrom<typeof options & { preForward: string }>()
  })
})

describe('the helpers for tests', () => {
  test('give headers for inject', () => {
    expect(app.inject).type.toBeCallableWith({ url: '/', headers: {} as Awaited<ReturnType<typeof signedIn>> })
    expect(signedIn).type.toBeCallableWith(app, { subject: 'ada', audiences: ['shop'], mode: 'tokens' })
    expect(signedIn).type.not.toBeCallableWith(app, { subject: 'ada', mode: 'cookie' })
  })

  test('move the clock of a store, and make its operations fail by name', () => {
    expect(app.register(store, { path: ':memory:', clock: testClock().now })).type.not.toRaiseError()
    expect(failingStore).type.toBeCallableWith({} as Awaited<ReturnType<typeof memoryStore>>, { timeout: '1s' })
    expect<FailingStore['fail']>().type.toBeCallableWith('rotate', 'read')
    expect<FailingStore['fail']>().type.not.toBeCallableWith('nowMs')
  })

  test('describe the credentials for OpenAPI', () => {
    expect(securitySchemes).type.toBeCallableWith(app.portcullis)
  })
})
