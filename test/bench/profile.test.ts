import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const program = join(import.meta.dirname, '..', '..', 'bench', 'profile.ts')

t.test('a profile is told by who wrote the code and by function, without the time in which nothing was done', async t => {
  const frame = (id: number, functionName: string, url = '') => ({ id, callFrame: { functionName, url, lineNumber: 6 } })
  const folder = t.testdir({
    'one.cpuprofile': JSON.stringify({
      nodes: [frame(1, '(idle)'), frame(2, 'forward', 'file:///any/plugins/proxy.ts'), frame(3, 'lookup', '/any/node_modules/find-my-way/index.js'), frame(4, 'dispatch', '/any/node_modules/undici/index.js'), frame(5, 'writeLatin1String')],
      samples: [1, 2, 3, 4, 5, 2],
      timeDeltas: [5000, 100, 200, 300, 300, 100]
    })
  })

  const { stdout } = await run(process.execPath, [program, '--top', '1', join(folder, 'one.cpuprofile')])

  for (const line of [' 30.0 %  undici', ' 30.0 %  native: writing to sockets', ' 20.0 %  Fastify and its router and logger', ' 20.0 %  portcullis: plugins/proxy', ' 30.0 %  dispatch undici/index.js:7']) t.ok(stdout.includes(line), line)
  t.notOk(stdout.includes('idle'))
  t.notOk(stdout.includes('find-my-way/index.js'), 'below the top')
})

t.test('the reader of profiles says what it reads', async t => {
  t.match((await run(process.execPath, [program])).stdout, /^node bench\/profile\.ts/)
})
