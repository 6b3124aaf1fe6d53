import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashPassword } from '../../users/password.ts'
import type { Endings } from './endings.ts'

export const password = 'correct horse'

/** A drain takes no longer than this, and a little. */
export const drainMs = 11_000

const unlimited = { max: 1_000_000 }

export interface Configuration { folder: string, config: string, adminToken: string }

/** A configuration for all gateways, with what differs between them in the environment, and a user for each client. */
export async function writeConfiguration (endings: Endings, { usernames, store, upstream }: { usernames: string[], store: object, upstream: string }): Promise<Configuration> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-soak-'))
  endings.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  const adminToken = randomBytes(32).toString('base64url')
  // Cheap to verify: what is tried is not how long a guess takes.
  const hash = await hashPassword(password, { ln: 10, r: 8, p: 1 })
  const users = usernames.map(username => ({ username, subject: username, password: hash, scopes: [] }))
  await writeFile(join(folder, 'users.json'), JSON.stringify({ users }), { mode: 0o600 })
  const config = join(folder, 'portcullis.json')
  await writeFile(config, JSON.stringify({
    origin: 'https://app.example.com',
    /* eslint-disable no-template-curly-in-string */
    listen: { host: '127.0.0.1', port: '${PORT}' },
    admin: { host: '127.0.0.1', port: '${ADMIN_PORT}', token: adminToken },
    /* eslint-enable no-template-curly-in-string */
    store,
    secret: randomBytes(32).toString('base64url'),
    identity: { type: 'users', file: './users.json' },
    log: { level: 'info' },
    rateLimit: { signIn: unlimited, refresh: unlimited },
    // Short, so that what grows with the sessions of a lifetime has stopped growing long before the end of a run.
    accessToken: { ttl: '1m' },
    refreshToken: { retryWindow: '10m' },
    // Sign-ins whose answers were lost leave sessions behind.
    session: { idleTimeout: '10m', absoluteTimeout: '30m', maxPerSubject: 1000 },
    shutdown: { delay: '2s', timeout: '8s' },
    upstreams: [
      { prefix: '/up', target: upstream, audience: 'up' },
      { prefix: '/live', target: upstream, audience: 'live', websocket: true }
    ]
  }), { mode: 0o600 })
  return { folder, config, adminToken }
}
