import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, onSendHookHandler } from 'fastify'
import root, { type Test } from 'tap'

/*
 * Whatever is issued, minted or typed in while a file of tests runs is remembered here, and nothing of it may turn up where it does not
 * belong: in a log, a metric, an event, an answer, or at a service that it is not for. What does fails the file, whatever it tests.
 */

type Kind = 'a session cookie' | 'a refresh token' | 'an access token' | 'a minted token' | 'a foreign token' | 'a password' | 'a configured secret'

const kinds = new Map<string, Kind>()
/** To find any of many secrets in one pass over a text. */
const byBeginning = new Map<string, string[]>()
const beginningLength = 8

/** Shorter than a beginning is nobody's secret. Of cookies and tokens give what cannot be guessed alone: see below. */
export function learnSecret (kind: Kind, secret: string): void {
  if (secret.length < beginningLength || kinds.has(secret)) return
  kinds.set(secret, kind)
  const beginning = secret.slice(0, beginningLength)
  byBeginning.set(beginning, [...byBeginning.get(beginning) ?? [], secret])
}

/** By its signature: header and claims say nothing that opens a door. */
export function learnToken (kind: Kind, token: string): void {
  learnSecret(kind, signatureOf(token))
}

function signatureOf (token: string): string {
  return token.slice(token.lastIndexOf('.') + 1)
}

/** A `Set-Cookie` line or a pair of a Portcullis cookie; of a session cookie what comes after the sid. */
export function learnCookie (line: string): void {
  const [, name = '', value = ''] = /^([^=;]*portcullis[^=;]*)=([^;]*)/.exec(line) ?? []
  if (name.endsWith('refresh')) learnSecret('a refresh token', value)
  else learnSecret('a session cookie', value.slice(value.indexOf('.') + 1))
}

/** What a configuration, or the options of a plugin, keep to themselves. */
export function learnConfigured ({ secrets, admin }: { secrets: readonly string[] | null, admin: { token: string } | null }): void {
  for (const secret of [...secrets ?? [], ...admin === null ? [] : [admin.token]]) learnSecret('a configured secret', secret)
}

/** Every Fastify server of this process is asked what it issues, and what passwords it was sent. */
subscribe('fastify.initialization', message => {
  const { fastify } = message as { fastify: FastifyInstance }
  fastify.addHook('onSend', learnFromAnswer)
  fastify.addHook('preValidation', (request, _reply, done) => {
    const { password } = (request.body ?? {}) as { password?: unknown }
    if (typeof password === 'string') learnSecret('a password', password)
    done()
  })
})

const learnFromAnswer: onSendHookHandler = (request, reply, payload, done) => {
  const { 'set-cookie': cookies = [], ...headers } = reply.getHeaders()
  for (const line of [cookies].flat()) learnCookie(String(line))
  let body = typeof payload === 'string' ? payload : ''
  const [, token = ''] = /"access_token":"([^"]+)"/.exec(body) ?? []
  learnToken('an access token', token)
  if (token !== '') body = body.replace(token, '')
  report(`the answer to ${request.method} ${request.routeOptions.url ?? '-'}`, `${JSON.stringify(headers)}\n${body}`)
  done(null, payload)
}

/** A request as a service received it. The body may still be coming. */
export interface Received { method?: string | undefined, url?: string | undefined, rawHeaders: string[], body?: string }

let received: Array<{ port: number, request: Received }> = []

/** For servers that stand for services, once they listen: a port is given out again, and what another was sent there is not theirs. */
export function forgetReceived (port: number): void {
  received = received.filter(one => one.port !== port)
}

/** For servers that stand for services. A signed token that nobody has seen before can only have been minted for this one. */
export function rememberReceived (port: number | undefined, request: Received): void {
  if (port === undefined) return
  received.push({ port, request })
  for (const token of bearersOf(request)) if (token.split('.').length === 3) learnToken('a minted token', token)
}

function headersOf ({ rawHeaders }: Received): Array<[name: string, value: string]> {
  return rawHeaders.flatMap((name, index) => index % 2 === 0 ? [[name.toLowerCase(), rawHeaders[index + 1] ?? '']] : [])
}

function bearersOf (request: Received): string[] {
  return headersOf(request).flatMap(([name, value]) => name === 'authorization' ? value.replace(/^Bearer /, '') : [])
}

/** What the rule about Authorization depends on. */
export interface Destination { target: string, audience: string | null, forward: 'mint' | 'pass' | 'headers' | 'none', authorization: 'keep' | 'strip' }

/** In its Authorization, and nowhere else, a service may be sent a minted token of its own, and what its settings let through. */
function mayReceive (token: string, { audience, forward, authorization }: Destination): boolean {
  if (authorization === 'keep') return true
  const kind = forward === 'mint' ? 'a minted token' : forward === 'pass' ? 'an access token' : null
  return kinds.get(signatureOf(token)) === kind && [audienceOf(token)].flat().join() === audience
}

function audienceOf (token: string): unknown {
  return (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { aud?: unknown }).aud
}

function searchReceived (destinations: readonly Destination[]): void {
  for (const { port, request } of received) {
    const here = destinations.filter(({ target }) => Number(new URL(target).port) === port)
    if (here.length === 0) continue
    const { method, url, body = '' } = request
    const [token = '', ...more] = bearersOf(request)
    const isExpected = more.length === 0 && here.some(destination => mayReceive(token, destination))
    const headers = headersOf(request).filter(([name]) => name !== 'authorization' || !isExpected)
    report(`what was forwarded as ${method} ${url}`, [url, ...headers.flat(), body].join('\n'))
  }
}

/** All that one server writes down. Searched for every secret that is known at the end of the test. */
export interface Watch {
  /** For Fastify's logger, at the most talkative level. */
  log: { write (line: string): void }
  /** `metrics`: as text. To be called once the server has closed. */
  search (more?: { metrics?: string, destinations?: readonly Destination[] }): void
}

export function watch (t: Test): Watch {
  let [log, events] = ['', '']
  const onEvent = (event: unknown): void => { events += `${JSON.stringify(event)}\n` }
  subscribe('portcullis:event', onEvent)
  return {
    log: { write: line => { log += line } },
    search: ({ metrics = '', destinations = [] } = {}) => {
      unsubscribe('portcullis:event', onEvent)
      report(`the log of "${t.name}"`, log)
      report(`the events of "${t.name}"`, events)
      report(`the metrics of "${t.name}"`, metrics)
      searchReceived(destinations)
    }
  }
}

/** Fails the file rather than the test, which has ended by then, and lets its servers be closed. */
export function report (place: string, text: string): void {
  for (const secret of find(text)) root.fail(`${kinds.get(secret)} is in ${place}`, { found: secret })
}

function find (text: string): Set<string> {
  const found = new Set<string>()
  for (let at = 0; at + beginningLength <= text.length; at++) {
    for (const secret of byBeginning.get(text.slice(at, at + beginningLength)) ?? []) if (text.startsWith(secret, at)) found.add(secret)
  }
  return found
}
