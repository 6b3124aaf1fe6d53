import { redis } from '../../stores/redis/driver.ts'
import type { SessionMode } from '../../lib/session/record.ts'
import type { OpenSession } from '../../stores/store.ts'
import { argsOfParent, serveParent } from './child.ts'

/** Opens sessions of distinct users in a store, as a gateway does. */
const { url } = argsOfParent<{ url: string }>()
const { store } = await redis.open({ type: 'redis', url, timeout: '60s' })
const atOnce = 200
const day = 86_400_000

const session: Omit<OpenSession, 'subject' | 'mode'> = {
  username: 'ada.lovelace@example.com',
  secretHash: null,
  acr: '1',
  amr: ['pwd'],
  scopes: ['orders:read', 'orders:write'],
  audiences: ['orders', 'billing', 'https://app.example.com'],
  client: { userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36', ip: '2001:db8:1:2::7' },
  origin: null,
  absoluteTimeoutMs: day,
  maxPerSubject: 20,
  maxTokenAgeMs: 900_000
}

async function open ({ mode, count, first }: { mode: SessionMode, count: number, first: number }): Promise<void> {
  for (let made = 0; made < count; made += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - made) }, async (_, index) => {
      await store.open({ ...session, subject: `user-${String(first + made + index).padStart(8, '0')}`, mode, secretHash: mode === 'session' ? 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg' : null })
    }))
  }
}

serveParent({}, { open }, async () => { await store.end() })
