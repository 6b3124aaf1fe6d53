import type { Config } from '../config/config.ts'
import { secretsOf } from '../config/store.ts'
import type { SecurityEvent } from '../lib/events.ts'
import { signerAt } from '../lib/jwt/signing-key.ts'
import { keptForMs } from '../lib/revocation/retention.ts'
import { deriveSecrets } from '../plugins/keys.ts'
import { KeyRing } from '../plugins/keys/key-ring.ts'
import type { Store } from '../stores/store.ts'
import { required, UsageError, type Arguments } from './arguments.ts'
import { writeAudit } from './audit.ts'
import type { Edge } from './edge.ts'
import { withStore } from './with-store.ts'

/** Lists, rotates and revokes signing keys; running gateways follow the store's log. */
export async function keysCommand (args: Arguments, edge: Edge): Promise<number> {
  const { stdout } = edge
  const act = chosen(args.positionals)
  return await withStore(required(args, 'config'), edge, async (store, config) => {
    for (const line of await act(await openRing(store, config), store.nowMs(), event => { writeAudit(edge, event) })) stdout.write(`${line}\n`)
    return 0
  })
}

type Audit = (event: SecurityEvent) => void

function chosen ([action, kid, ...more]: string[]): (ring: KeyRing, nowMs: number, audit: Audit) => Promise<string[]> {
  if (action === 'list' && kid === undefined) return async (ring, nowMs) => list(ring, nowMs)
  if (action === 'rotate' && kid === undefined) return async (ring, _nowMs, audit) => await rotate(ring, audit)
  if (action === 'revoke' && kid !== undefined && more.length === 0) return async (ring, _nowMs, audit) => await revoke(ring, kid, audit)
  throw new UsageError('usage: portcullis keys list | rotate | revoke KID --config FILE')
}

/** Opens the key ring as a gateway does: an empty store gets its first key. */
async function openRing (store: Store, config: Config): Promise<KeyRing> {
  const { keys: { algorithm, publishAheadMs }, accessToken: { ttlMs } } = config
  const ring = new KeyRing(store, { secrets: deriveSecrets('portcullis-keys', await secretsOf(config)), algorithm, maxTokenAgeMs: keptForMs(ttlMs), publishAheadMs })
  await ring.ensureCurrent()
  return ring
}

function list (ring: KeyRing, nowMs: number): string[] {
  const keys = ring.list()
  const signer = signerAt(keys, nowMs)
  return keys.map(key => {
    const state = key === signer ? 'signs' : key.signsFromMs > nowMs ? `signs from ${new Date(key.signsFromMs).toISOString()}` : 'verifies'
    return `${key.kid}  ${key.algorithm}  made ${new Date(key.createdAtMs).toISOString()}  ${state}`
  })
}

async function rotate (ring: KeyRing, audit: Audit): Promise<string[]> {
  const { kid, signsFromMs } = await ring.rotate()
  audit({ event: 'keys.rotated', kid })
  return [`${kid} signs from ${new Date(signsFromMs).toISOString()}; until then it is published alone`]
}

async function revoke (ring: KeyRing, kid: string, audit: Audit): Promise<string[]> {
  if (await ring.revoke(kid) === null) throw new Error(`there is no key ${kid}; portcullis keys list names them`)
  audit({ event: 'keys.revoked', kid })
  return [`revoked key ${kid}; ${ring.current().kid} signs`]
}
