import t from 'tap'
import { killDuringRefreshes, killUnderLoad } from './gateway-kills.ts'

/*
 * Gateways are killed again and again, at every step of a refresh and of anything else. What they had acknowledged is in the store, what
 * they had not is unknown and asked again.
 */

t.test('however often a gateway is killed during refreshes, another one goes on with the family', async t => {
  await killDuringRefreshes(t, 15)
})

t.test('gateways that are killed and started again under load lose nothing that was acknowledged', async t => {
  await killUnderLoad(t, 12)
})
