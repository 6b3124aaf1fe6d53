import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, onSendHookHandler } from 'fastify'
import root, { type Test } from 'tap'

/* Every secret that is issued, minted or typed in while a test file runs is recorded here. None may appear in a log, a metric, an
 * event, an answer, or at a service that it is not for. A secret that does fails the file. */

type Kind = 'a session cookie' | 'a refresh token' | 'an access token' | 'a minted token' | 'a foreign token' | 'a password' | 'data of a session' | 'a configured secret' | 'a challenge token'

const kinds = new Map<string, Kind>()
/** The secrets by their beginning, to find any of many in one pass over a text. */
const byBeginning = new Map<string, string[]>()
const beginningLength = 8
/** Whether any secret begins with these two characters: most places of a text need no more than this look. */
const pairs = new Uint8Array(1 << 16)
const pairAt = (text: string, at: number): number => (text.charCodeAt(at) & 255) << 8 | text.charCodeAt(at + 1) & 255

/** Forgets what an earlier file of the same process recorded. */
export function forgetSecrets (): void {
  kinds.clear()
  byBeginning.clear()
  pairs.fill(0)
  received = []
}

/** Records a secret. Texts shorter than a beginning are ignored. Give only the unguessable part of cookies and tokens: see below. */
export function learnSecret (kind: Kind, secret: string): void {
  if (secret.length < beginningLength || kinds.has(secret)) return
  kinds.set(secret, kind)
  const beginning = secret.slice(0, beginningLength)
  byBeginning.set(beginning, [...byBeginning.get(beginning) ?? [], secret])
  pairs[pairAt(secret, 0)] = 1
}

/** Records a token by its signature, because header and claims give no access. */
export function learnToken (kind: Kind, token: string): void {
  learnSecret(kind, signatureOf(token))
}

function signatureOf (token: string): string {
  return token.slice(token.lastIndexOf('.') + 1)
}

/** Records a `Set-Cookie` line or a pair of a Portcullis cookie; for a session cookie the part after the sid. */
export function learnCookie (line: string): void {
  const [, name = '', value = ''] = /^([^=;]*portcullis[^=;]*)=([^;]*)/.exec(line) ?? []
  if (name.endsWith('refresh')) learnSecret('a refresh token', value)
  else learnSecret('a session cookie', value.slice(value.indexOf('.') + 1))
}

/** Records the secrets of a configuration, or of a plugin's options. */
export function learnConfigured ({ secrets, admin }: { secrets: readonly string[] | null, admin: { token: string } | null }): void {
  for (const secret of [...secrets ?? [], ...admin === null ? [] : [admin.token]]) learnSecret('a configured secret', secret)
}

/** Hooks record the issued secrets of every Fastify server of this process, and the passwords that it receives. */
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

/**
 * Forgets what a port received. Servers that stand for services call it once they listen, because the port may have belonged to
 * another server.
 */
export function forgetReceived (port: number): void {
  received = received.filter(one => one.port !== port)
}

/**
 * Records a request; servers that stand for services call it. A signed token that is still unknown can only have been minted for
 * this one.
 */
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

/** The settings that the rule about Authorization depends on. */
export interface Destination { targets: readonly string[], audience: string | null, forward: 'mint' | 'pass' | 'headers' | 'none', authorization: 'keep' | 'strip' }

/**
 * Returns whether a service may receive a token in Authorization: a token minted for it, or one that its settings forward. No other
 * place may contain a token.
 */
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
    const here = destinations.filter(({ targets }) => targets.some(target => Number(new URL(target).port) === port))
    if (here.length === 0) continue
    const { method, url, body = '' } = request
    const [token = '', ...more] = bearersOf(request)
    const isExpected = more.length === 0 && here.some(destination => mayReceive(token, destination))
    const headers = headersOf(request).filter(([name]) => name !== 'authorization' || !isExpected)
    report(`what was forwarded as ${method} ${url}`, [url, ...headers.flat(), body].join('\n'))
  }
}

/** The output of one server. It is searched for every secret that is known at the end of the test. */
export interface Watch {
  /** The destination of Fastify's logger, at the most verbose level. */
  log: { write (line: string): void }
  /** Searches the output; called once the server has closed. `metrics`: the metrics as text. */
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
    if (pairs[pairAt(text, at)] === 0) continue
    for (const secret of byBeginning.get(text.slice(at, at + beginningLength)) ?? []) if (text.startsWith(secret, at)) found.add(secret)
  }
  return found
}
