import t from 'tap'
import { killDuringRefreshes } from './gateway-kills.ts'

/*
 * A gateway dies while it refreshes: before Redis heard of it, after, or when half the answer was written. Nobody knows which; the
 * client asks another gateway, and must be neither accused nor sent away. gateway-kills.fault.ts does it for longer.
 */

t.test('whoever refreshed at a gateway that was killed refreshes at another one', async t => {
  await killDuringRefreshes(t, 3)
})
