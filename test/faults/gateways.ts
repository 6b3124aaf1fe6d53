import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { claimsOf } from '../helpers/credentials.ts'
import { startPortcullis, writeConfig, writeUsers, type GatewayProcess } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { usernames } from './load.ts'

export const secret = randomBytes(32).toString('base64url')

export interface Echo {
  url: string
  /** Requests that came without an identity. */
  readonly unidentified: number
}

/** An upstream that says whom it was told to serve, and the nonce of the request: what a client gets is its own answer, or it shows. */
export async function startEcho (t: Test): Promise<Echo> {
  let unidentified = 0
  const { url } = await startUpstream(t, (request, response) => {
    const subject = claimsOf(request.headers.authorization)['sub']
    if (typeof subject !== 'string') unidentified++
    response.end(`${String(subject)}:${new URLSearchParams(request.url!.split('?')[1]).get('nonce')}`)
    request.resume()
  })
  return { url, get unidentified () { return unidentified } }
}

export interface Fleet {
  processes: GatewayProcess[]
  /** Addresses of those that are running. */
  urls: () => string[]
  echo: Echo
  config: string
  /** Another one of the same configuration; in the place of one that has ended when its index is told. */
  start (index?: number): Promise<GatewayProcess>
}

/** Gateway processes from one configuration, with one echoing upstream at /up and a user for each client of a load. */
export async function startFleet (t: Test, store: object, { count = 2, clients = 8, more = {} }: { count?: number, clients?: number, more?: object } = {}): Promise<Fleet> {
  const echo = await startEcho(t)
  const { config, users } = await writeConfig(t, {
    store,
    secret,
    log: { level: 'info' },
    // Sign-ins whose answers were lost leave sessions behind.
    session: { maxPerSubject: 1000 },
    upstreams: [{ prefix: '/up', target: echo.url, audience: 'up' }],
    ...more
  })
  await writeUsers(users, usernames(clients))
  const processes: GatewayProcess[] = []
  const fleet: Fleet = {
    processes,
    urls: () => processes.map(({ url }) => url),
    echo,
    config,
    async start (index = processes.length) {
      const process = await startPortcullis(t, config)
      processes[index] = process
      return process
    }
  }
  for (let index = 0; index < count; index++) await fleet.start()
  return fleet
}

export interface AuditLine { event: string, sid?: string, subject?: string, outcome?: string }

/** The security events that a gateway has written down. */
export function auditOf ({ output }: GatewayProcess): AuditLine[] {
  return linesOf(output.stdout).filter(line => line['audit'] === true) as unknown as AuditLine[]
}

/** What a gateway has written down. */
function linesOf (stdout: string): Array<Record<string, unknown>> {
  return stdout.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Record<string, unknown>)
}
