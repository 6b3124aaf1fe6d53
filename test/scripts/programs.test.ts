import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { compileCache } from '../helpers/compile-cache.ts'

const project = join(import.meta.dirname, '..', '..')
const telling = `
  import { registerHooks } from 'node:module'
  registerHooks({ resolve (name, context, next) {
    if (name === 'tap') console.log('loads tap from', context.parentURL)
    return next(name, context)
  } })
`

/* They start servers with the tests' helpers. Whatever has loaded tap is ended as a test that takes too long. */
t.test('programs that run for long do not load tap', async t => {
  for (const program of ['test/fuzz/run.ts', 'test/soak/run.ts', 'bench/run.ts']) {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(telling)}`, join(project, program), '--help'], { cwd: project, env: { PATH: process.env['PATH'], ...compileCache } })

    t.match(stdout, /--seed|bench/, program)
    t.notMatch(stdout, 'loads tap', program)
  }
})
