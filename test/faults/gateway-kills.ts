import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { signInForTokens } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { refresh, type Refreshed } from '../helpers/refresh.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { checkHistory } from './check-history.ts'
import { auditOf, startFleet, type Fleet } from './gateways.ts'
import { History } from './history.ts'
import { startLoad } from './load.ts'

/** While twenty clients refresh at one gateway it is killed, a little later each round; they ask again at the other one. */
export async function killDuringRefreshes (t: Test, rounds: number): Promise<void> {
  const redis = await startRedis(t)
  const fleet = await startFleet(t, { type: 'redis', url: redis.url, timeout: '20s' }, { clients: 20 })
  const accused = (): number => fleet.processes.reduce((sum, process) => sum + auditOf(process).filter(({ event }) => event === 'refresh.reused').length, 0)
  let unanswered = 0
  for (let round = 0; round < rounds; round++) {
    const [victim, other] = [fleet.processes[round % 2]!, fleet.processes[(round + 1) % 2]!]
    const people = await Promise.all(Array.from({ length: 20 }, async (_, index) => await signInForTokens(other.url, `client-${index}`)))

    // One after another, so that at the moment of the end they are at different steps.
    const first = people.map(async ({ cookie }, index) => {
      await sleep(index / 2)
      return await refresh(victim.url, cookie).catch(() => null)
    })
    await sleep(5 + Math.random() * 25)
    await victim.end('SIGKILL')
    const answers = await Promise.all(first)

    for (const [index, { cookie, sid }] of people.entries()) {
      const answer = answers[index] ?? null
      if (answer === null) unanswered++
      const again = await refresh(other.url, cookie)
      t.match(again, { status: 200, answer: { session: { sid } } })
      t.equal(claimsOf(again.token)['gen'], 2)
      if (answer !== null) t.equal(answer.cookie, again.cookie, 'the family has not forked')
      await assertGoesOn(t, fleet, again)
    }
    t.equal(accused(), 0)
    await fleet.start(round % 2)
  }
  t.comment(`${unanswered} of ${rounds * 20} refreshes were cut off`)
  t.ok(unanswered > 0)
}

async function assertGoesOn (t: Test, { processes }: Fleet, { cookie, token }: Refreshed): Promise<void> {
  const url = processes.find(({ pid }) => isAlive(pid))!.url
  t.equal((await fetch(`${url}/up`, { headers: { authorization: `Bearer ${token}` } })).status, 200)
  t.equal((await refresh(url, cookie!)).status, 200)
}

function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** One of two gateways is killed and started again, over and over, under mixed load. */
export async function killUnderLoad (t: Test, rounds: number): Promise<void> {
  const redis = await startRedis(t)
  const fleet = await startFleet(t, { type: 'redis', url: redis.url, timeout: '20s' })
  const history = new History()
  const load = startLoad({ history, gateways: fleet.urls, refreshEveryMs: 50 })
  for (let round = 0; round < rounds; round++) {
    await sleep(200 + Math.random() * 500)
    await fleet.processes[round % 2]!.end('SIGKILL')
    await fleet.start(round % 2)
  }
  await load.stop()

  t.same(await load.sweep(), [])
  t.same(checkHistory(history.operations, { stalenessMs: 2000 }), [])
  t.ok(history.operations.some(({ status }) => status === null), 'some were cut off')
  t.equal(fleet.echo.unidentified, 0)
  for (const process of fleet.processes) t.notOk(auditOf(process).some(({ event }) => event === 'refresh.reused'))
}
