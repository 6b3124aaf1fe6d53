import { formatTable } from '../bench/report.ts'
import { openResults } from '../bench/scaling.ts'
import { withTables } from './generated-tables.ts'

const head = ['what verifies a request', 'store calls for a request', 'CPU µs a request', 'after a sign-out, a copied credential is refused']

/** Each compared setup: its name in the table, its arm in the bench `peers`, whether it asks a store for each request, and whether it can revoke. */
const setups: Array<{ what: string, arm: string, storeCalls: string, isRevocable: boolean }> = [
  { what: 'express-session on Redis, http-proxy-middleware', arm: 'express-session', storeCalls: 'Redis, always', isRevocable: true },
  { what: '@fastify/session on Redis, @fastify/http-proxy', arm: 'fastify-session', storeCalls: 'Redis, always', isRevocable: true },
  { what: '@fastify/jwt, a blocklist in Redis, @fastify/http-proxy', arm: 'hand-written-cached', storeCalls: 'Redis, always', isRevocable: true },
  { what: 'HAProxy, jwt_verify, ES256', arm: 'haproxy-es256', storeCalls: 'none', isRevocable: false },
  { what: 'HAProxy, jwt_verify, RS256', arm: 'haproxy-rs256', storeCalls: 'none', isRevocable: false }
]

/** Returns the text of README.md with its table of measurements generated from the benches. Throws if the table has no place in it. */
export async function readmePage (page: string): Promise<string> {
  const figure = await openResults(['peers', 'revocation'])
  const cpu = (arm: string): string => figure('peers', 0, arm, 'cpuUs').toFixed(0)
  const others = setups.map(({ what, arm, storeCalls, isRevocable }) => [what, storeCalls, cpu(arm), isRevocable ? 'at the next request' : 'when the token expires'])
  const untilRefused = `within ${figure('revocation', 0, 'redis', 'p99Ms').toFixed(1)} ms in other processes (Redis, p99)`
  const own = [['session cookie', 'cookie'], ['ES256 access token', 'token']].map(([credential = '', arm = '']) => [`**Portcullis**, ${credential}`, 'none', cpu(arm), untilRefused])
  return withTables('README.md', page, { peers: formatTable(head, [...others, ...own]) })
}
