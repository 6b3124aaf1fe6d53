import t from 'tap'
import { startGateway } from '../helpers/build-gateway.ts'
import { runPhase } from './campaign.ts'
import { identity, People, settings } from './people.ts'
import { phases } from './phases.ts'
import { Upstreams } from './upstreams.ts'

/** A part of what `npm run fuzz` sends, the same every time. Delay and memory are its business alone. */
const seed = 20_261_125
const inputs = 4000

t.test('whatever is sent, nothing is forged, nothing fails, and nobody is signed out', async t => {
  const upstreams = await Upstreams.start()
  t.teardown(() => upstreams.end())
  const { url } = await startGateway(t, { ...settings, identity, upstreams: upstreams.config })
  const people = await People.signIn(url)

  for (const phase of phases) {
    const { violations, inputs: done } = await runPhase(phase, { port: Number(new URL(url).port), people, upstreams }, { seed, inputs: Math.ceil(inputs * phase.share) })
    t.same(violations, [], phase.name)
    t.ok(done >= inputs * phase.share, `${phase.name}: all inputs were sent`)
    t.equal(await people.check(), null, `${phase.name}: everybody is still signed in`)
  }
})
