import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { installPackages, makeFolder } from './behind.ts'

/** The tests of an application, as Vitest runs them. The fake timers begin before the start, and after it. */
const program = `
import { afterEach, expect, test, vi } from 'vitest'
import { accessToken, authenticate, blocklist, cookies, errors, keys, refreshToken, session, store } from '${new URL('../../index.ts', import.meta.url).pathname}'
import { signedIn } from '${new URL('../../plugins/testing/testing.ts', import.meta.url).pathname}'
import Fastify from '${import.meta.resolve('fastify').replace('file://', '')}'

const origin = 'http://localhost:3000'
const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA'
const ada = { subject: 'ada', audiences: ['shop'] }

async function build () {
  const app = Fastify()
  await app.register(errors)
  await app.register(store, { path: ':memory:' })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin, ttl: '10m' })
  await app.register(session, { idleTimeout: '10m' })
  await app.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation }) })
  await app.register(authenticate, { origin })
  app.get('/me', { onRequest: app.portcullis.authenticate({ audience: 'shop' }) }, async ({ identity }) => identity.subject)
  return app
}

afterEach(() => { vi.useRealTimers() })

for (const toFake of [['Date'], ['Date', 'performance'], ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance']]) {
  for (const isEarly of [true, false]) {
    test(\`\${toFake}, \${isEarly ? 'before' : 'after'} the start\`, async () => {
      const fake = () => vi.useFakeTimers({ toFake, now: Date.now() })
      if (isEarly) fake()
      const app = await build()
      if (!isEarly) fake()
      const credentials = [await signedIn(app, ada), await signedIn(app, { ...ada, mode: 'tokens' })]
      const statuses = async () => await Promise.all(credentials.map(async headers => (await app.inject({ url: '/me', headers })).statusCode))
      expect(await statuses()).toEqual([200, 200])
      vi.advanceTimersByTime(9 * 60_000)
      expect(await statuses()).toEqual([200, 200])
      vi.advanceTimersByTime(60_000)
      expect(await statuses()).toEqual([200, 401])
      vi.advanceTimersByTime(10 * 60_000)
      expect(await statuses()).toEqual([401, 401])
      credentials[0] = await signedIn(app, ada)
      expect(await statuses()).toEqual([200, 401])
      await app.portcullis.blocklist.revoke({ subject: 'ada' })
      expect(await statuses()).toEqual([401, 401])
      await app.close()
    }, 20_000)
  }
}
`

t.test('sessions and tokens follow the fake timers of Vitest, and nothing waits for them', async t => {
  const folder = await makeFolder(t)
  await installPackages(folder, ['vitest@4'])
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  await writeFile(join(folder, 'application.test.js'), program)

  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--root', folder, '--reporter=tap-flat'], { cwd: folder, env: { PATH: process.env['PATH'] ?? '', CI: 'true' } })
    .catch((error: { stdout: string, stderr: string }) => ({ stdout: `${error.stdout}${error.stderr}` }))

  t.equal(stdout.match(/^ok /gm)?.length, 6, stdout)
  t.notMatch(stdout, /^not ok /m)
})
