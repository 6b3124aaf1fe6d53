import { createHmac } from 'node:crypto'
import t, { type Test } from 'tap'
import { UsersAgreement, type AgreementOptions } from '../../users/agreement.ts'
import { deriveSecret } from '../../lib/secrets.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { createOutage } from '../helpers/outage.ts'

const [first, second, third] = [1, 2, 3].map(byte => deriveSecret(Buffer.alloc(32, byte).toString('base64url'))) as [ReturnType<typeof deriveSecret>, ReturnType<typeof deriveSecret>, ReturnType<typeof deriveSecret>]

interface Host { agreement: UsersAgreement, said: string[], users: string, isRunning: boolean }

/** Hosts that share a store whose clock the test moves. */
async function share (t: Test) {
  let nowMs = 1_790_000_000_000
  const outage = createOutage()
  const store = outage.wrapStore(await createSqliteStore({ path: ':memory:', now: () => nowMs }))
  t.teardown(() => store.end())
  const hosts: Host[] = []
  function add (file: string, users: string, options: Partial<AgreementOptions> = {}): Host {
    const said: string[] = []
    const host: Host = { said, users, isRunning: true, agreement: null as unknown as UsersAgreement }
    host.agreement = new UsersAgreement({
      store,
      secrets: [first],
      origin: 'https://app.example.com',
      file,
      digest: key => createHmac('sha256', key).update(host.users).digest('base64url'),
      onDifference: problem => said.push(problem),
      onAgreement: () => said.push('agreement'),
      now: () => nowMs,
      ...options
    })
    hosts.push(host)
    return host
  }
  /** Lets every host check every ten seconds, one after the other. */
  async function pass (seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 10) {
      for (const { agreement, isRunning } of hosts) if (isRunning) await agreement.check()
      nowMs += 10_000
    }
  }
  return { store, outage, add, pass, setBack: (ms: number) => { nowMs -= ms } }
}

const differs = /^identity\.file: the users file of another host or process differs .*; give every host the same file$/

t.test('hosts whose users differ for longer than 30 s say so, every ten minutes, until the users are the same', async t => {
  const { add, pass } = await share(t)
  const [here, there] = [add('/here', 'ada,bob'), add('/there', 'ada,bob')]
  await pass(120)
  t.strictSame([here.said, there.said], [[], []])

  here.users = 'ada'
  await pass(30)
  t.strictSame([here.agreement.problem, there.agreement.problem], [null, null])
  await pass(30)
  for (const { agreement, said } of [here, there]) {
    t.match(agreement.problem, differs)
    t.strictSame(said, [agreement.problem])
  }
  await pass(600)
  t.equal(here.said.length, 2)

  there.users = 'ada'
  await pass(20)
  for (const { agreement, said } of [here, there]) {
    t.equal(agreement.problem, null)
    t.equal(said.at(-1), 'agreement')
  }
})

t.test('a file that reaches one host after the other within the tolerance is not warned of', async t => {
  const { add, pass } = await share(t)
  const hosts = ['/a', '/b', '/c', '/d'].map(file => add(file, 'old'))
  await pass(60)

  for (const host of hosts.slice(0, 3)) {
    host.users = 'new'
    await pass(10)
  }
  hosts[3]!.users = 'new'
  await pass(120)

  t.strictSame(hosts.flatMap(({ said }) => said), [])
})

t.test('a process that ended with the old users while the new ones were distributed is not warned of', async t => {
  const { add, pass } = await share(t)
  const [old, other] = [add('/container-1', 'old'), add('/b', 'old')]
  await pass(60)

  old.isRunning = false
  other.users = 'new'
  const replacement = add('/container-2', 'new')
  await pass(180)

  t.strictSame([...other.said, ...replacement.said], [])
})

t.test('a difference that began to be warned of ends when the other process does', async t => {
  const { add, pass } = await share(t)
  const [here, there] = [add('/here', 'one'), add('/there', 'two')]
  await pass(70)
  t.match(here.agreement.problem, differs)

  there.isRunning = false
  await pass(80)

  t.equal(here.agreement.problem, null)
})

t.test('processes of one host that read one file are one entry', async t => {
  const { store, add, pass } = await share(t)
  const puts: string[] = []
  const telling = { nowMs: store.nowMs, readNotes: store.readNotes, putNote: async (topic: string, name: string, text: string, keepForMs: number) => { puts.push(name); await store.putNote(topic, name, text, keepForMs) } }
  const all = [1, 2, 3].map(() => add('/users.json', 'ada,bob', { store: telling }))
  await pass(60)
  for (const host of all) host.users = 'ada'
  await pass(60)

  t.equal(new Set(puts).size, 1)
  t.equal(puts.length, 36)
  t.strictSame(all.flatMap(({ said }) => said), [])
})

t.test('hosts of one name with the file at one path are found to differ too', async t => {
  const { add, pass } = await share(t)
  const hosts = [add('/users.json', 'ada,bob'), add('/users.json', 'ada')]
  await pass(80)

  for (const { agreement } of hosts) t.match(agreement.problem, differs)
})

t.test('while the secret is changed, hosts with one in common are compared, and no others', async t => {
  const { add, pass } = await share(t)
  const hosts = [add('/a', 'ada', { secrets: [first, second] }), add('/b', 'ada', { secrets: [second, first] }), add('/c', 'ada', { secrets: [second] }), add('/d', 'bob', { secrets: [third] })]
  await pass(120)
  t.strictSame(hosts.flatMap(({ said }) => said), [])

  hosts[2]!.users = 'bob'
  await pass(70)
  t.strictSame(hosts.map(({ said }) => said.length), [1, 1, 1, 0])
})

t.test('a list of many secrets still fits into a note', async t => {
  const { add, pass } = await share(t)
  const secrets = Array.from({ length: 9 }, (_, byte) => deriveSecret(Buffer.alloc(32, byte).toString('base64url')))
  const hosts = [add('/a', 'ada', { secrets }), add('/b', 'bob', { secrets })]

  await pass(70)

  for (const { agreement } of hosts) t.match(agreement.problem, differs)
})

t.test('gateways of another origin may have other users', async t => {
  const { add, pass } = await share(t)
  const hosts = [add('/a', 'ada'), add('/b', 'bob', { origin: 'https://other.example.com' })]

  await pass(120)

  t.strictSame(hosts.flatMap(({ said }) => said), [])
})

t.test('while the store is away nothing is said and what was known stays, and afterwards it goes on', async t => {
  const { outage, add, pass } = await share(t)
  const [here, there] = [add('/here', 'one'), add('/there', 'two')]
  await pass(70)

  outage.begin()
  there.users = 'one'
  await t.rejects(here.agreement.check(), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  await t.rejects(there.agreement.check(), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  t.match(here.agreement.problem, differs)
  t.equal(here.said.length, 1)
  outage.end()
  await pass(20)

  t.equal(here.agreement.problem, null)
})

t.test('a clock of the store that is set back does not silence a difference', async t => {
  const { add, pass, setBack } = await share(t)
  const [here] = [add('/here', 'one'), add('/there', 'two')]
  await pass(20)

  setBack(3_600_000)
  await pass(70)

  t.match(here.agreement.problem, differs)
})

t.test('two checks at once are one', async t => {
  const { outage, add } = await share(t)
  const { agreement } = add('/here', 'one')

  await Promise.all([agreement.check(), agreement.check()])

  t.strictSame(outage.calls, ['readNotes', 'putNote'])
})
