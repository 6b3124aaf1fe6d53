import t from 'tap'
import { post, signIn, startGateway } from '../helpers/build-gateway.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * Somebody who may sign in signs out of all their other sessions, thousands of times a second. Were each time a revocation, the store
 * and every process would keep it for a day; and the number below which the subject's sessions have ended would run ahead of the
 * clock, at the next `revoke --all` everybody's with it: tokens of other issuers would be refused until the clock has come that far.
 */

t.test('signing out of all other sessions again and again makes no more revocations than seconds pass', async t => {
  const { url, store, app } = await startGateway(t)
  const { cookie } = await signIn(url)
  const other = await signIn(url)
  const startedAt = Math.floor(store.nowMs() / 1000)

  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await post(`${url}/auth/logout`, { scope: 'others' }, { cookie })))
    t.ok(answers.every(({ status }) => status === 204), 'and nobody is refused')
  }
  const seconds = Math.floor(store.nowMs() / 1000) - startedAt + 1

  t.ok((await takeSnapshot(store)).revocations.length <= seconds + 1)
  t.ok(app.portcullis.blocklist.size <= 1)
  t.ok((await store.revokeAll({ keepForMs: 1000 })).belowEpoch <= startedAt + seconds + 2, 'and everybody begins at the clock')
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: other.cookie } })).status, 401)
})
