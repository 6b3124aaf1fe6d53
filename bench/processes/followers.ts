import { LogFollower } from '../../plugins/blocklist/log-follower.ts'
import { redis } from '../../stores/redis/driver.ts'
import { argsOfParent, cpuTime, serveParent } from './child.ts'

/** The load of many gateways on Redis while no user signs in: each follows the log over separate connections. */
const { url, count } = argsOfParent<{ url: string, count: number }>()
const ends: Array<() => Promise<void>> = []
const followers: LogFollower[] = []

for (let number = 0; number < count; number++) {
  const { store } = await redis.open({ type: 'redis', url, timeout: '5s' })
  const follower = new LogFollower(store, { maxStalenessMs: 2000, longestMs: 86_400_000 }, {})
  await follower.start()
  followers.push(follower)
  ends.push(async () => {
    follower.stop()
    await store.end()
  })
}

/** Returns the number of revocations that every follower knows. */
const known = (): number => Math.min(...followers.map(({ replica }) => replica.size))

serveParent({}, { cpu: cpuTime, known }, async () => { for (const end of ends) await end() })
