import { execFileSync } from 'node:child_process'
import t from 'tap'
import { StreamRegistry, type Stream } from '../../../plugins/streams/registry.ts'

t.test('exchanges that take long are kept, in whatever order others end', t => {
  const registry = new StreamRegistry({ nowMs: () => 0, isRevoked: () => true, readEnd: async () => null })
  t.teardown(() => { registry.stop() })
  const identity = { credential: 'session', expiresAt: 0 } as NonNullable<Stream['identity']>
  const ends: string[] = []
  const [first, second, third, fourth, late] = ['first', 'second', 'third', 'fourth', 'late'].map(name => {
    const stream: Stream = { identity, startedAtMs: name === 'late' ? Infinity : -Infinity, youngAt: -1, end () { ends.push(name) } }
    registry.add(stream)
    return stream
  }) as [Stream, Stream, Stream, Stream, Stream]

  registry.delete(second)
  registry.delete(fourth)
  registry.delete(second)
  registry.sweep()

  t.same([...new Set(ends)].sort(), ['first', 'third'])
  t.equal(registry.open, 2)
  for (const stream of [first, third, late]) registry.delete(stream)
  t.equal(registry.open, 0)
  t.end()
})

t.test('an exchange that is over is collected while it is young', t => {
  // In a process of its own: what measures coverage here keeps objects too.
  const { NODE_V8_COVERAGE: _coverage, NODE_OPTIONS: _options, ...env } = process.env
  const grownBytes = Number(execFileSync(process.execPath, ['--expose-gc', new URL('churn.ts', import.meta.url).pathname], { env, encoding: 'utf8' }))

  // All of them are 25 MB; those under way at a collection are less than a tenth of 1.
  t.ok(grownBytes < 2_000_000, `${grownBytes} bytes have grown old`)
  t.end()
})
