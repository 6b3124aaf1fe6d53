import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { buildApp, createStore, sessionRecord } from '../helpers/build-app.ts'
import { createCookieSecret, formatSessionCookie, createSid } from '../../lib/session/sid.ts'

/*
 * Two hundred thousand tokens, sessions and forgeries that are never seen twice. Whatever remembers something of each of
 * them grows until the process dies; what is bounded grows to its bound and stays there.
 */

const rounds = 8
const perRound = 25_000
const mebibyte = 2 ** 20

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapMiB (): number {
  for (let times = 0; times < 4; times++) collect()
  return process.memoryUsage().heapUsed / mebibyte
}

t.test('memory does not grow with the number of tokens, subjects, sessions and forgeries that were seen', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store)
  const { accessToken, session, blocklist, refreshToken } = app.portcullis
  const heap: number[] = []
  for (let round = 0; round < rounds; round++) {
    for (let count = 0; count < perRound; count++) {
      const subject = `subject-${round}-${count}`
      const sid = createSid(subject)
      const token = accessToken.issue(sessionRecord({ sid, subject }), { audience: ['orders'], generation: 1 })
      const identity = await accessToken.verify(token)
      if (identity.subject !== subject || blocklist.knowsAsRevoked(identity)) throw new Error('not verified')
      if (count % 5 > 0) continue
      refreshToken.noteReceived(identity)
      await Promise.resolve(session.resolve(formatSessionCookie(sid, createCookieSecret().secret), true)).catch(() => {})
      // A forgery with a good form.
      try { await accessToken.verify(`${token.slice(0, -8)}AAAAAAAA`) } catch {}
    }
    heap.push(heapMiB())
  }

  t.comment(`heap after each ${perRound}: ${heap.map(mib => mib.toFixed(1)).join(', ')} MiB`)
  // The caches are full after the first rounds; what comes then is a leak.
  t.ok(heap.at(-1)! - heap[2]! < 12, 'a plateau')
})
