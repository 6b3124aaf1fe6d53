import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'

/** Benches of which one arm takes few seconds; the others are started by nothing but who wants to know. */
for (const [name, arm, printed] of [
  ['bodies', 'gateway down 1 MB', /^\| gateway down 1 MB \| .*bodies of 1 MB; gateway, an ES256 access token/m],
  ['gateway', 'two targets', /^\| two targets \| .*an upstream with two targets/m],
  ['waiting', 'gateway', /^\| gateway \| 500 +\| .*every request has a connection/m],
  ['websocket', 'gateway', /^\| gateway \| 500 +\| .*an access token at the handshake/m],
  ['peers', 'http-proxy', /^\| http-proxy \| .*@fastify\/http-proxy, no authentication/m],
  ['verify', 'ES256', /^\| ES256 \| /m]
] as const) {
  t.test(`a smoke run of ${arm} of ${name} measures it, says so, and writes nothing down`, async t => {
    const child = spawn(process.execPath, ['bench/run.ts', name, '--quick', '--arms', arm], { cwd: new URL('../../', import.meta.url), stdio: ['ignore', 'pipe', 'pipe'] })
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])

    t.equal(code, 0, stderr)
    t.match(stdout, printed)
    t.match(stderr, new RegExp(`${name}: nothing is written into the results`))
  })
}
