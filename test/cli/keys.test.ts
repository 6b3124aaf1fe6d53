import t from 'tap'
import { signInForTokens } from '../helpers/build-gateway.ts'
import { partsOf } from '../helpers/credentials.ts'
import { runMain, startPortcullis, untilTrue, writeConfig } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

t.test('keys are listed and rotated, and the tokens of a revoked one are refused by the running gateway', async t => {
  const target = await startUpstream(t)
  const { config } = await writeConfig(t, { upstreams: [{ prefix: '/up', target: target.url, audience: 'up' }] })
  const { url } = await startPortcullis(t, config)
  const { token } = await signInForTokens(url)
  const kid = String(partsOf(token).header['kid'])
  const status = async (bearer: string) => (await fetch(`${url}/up`, { headers: { authorization: `Bearer ${bearer}` } })).status
  const published = async () => (await (await fetch(`${url}/.well-known/jwks.json`)).json() as { keys: Array<{ kid: string }> }).keys.map(key => key.kid)
  t.equal(await status(token), 200)

  t.match(await runMain(['keys', 'list', '--config', config]), { code: 0, stdout: new RegExp(`^${kid} {2}ES256 {2}made \\S+ {2}signs\n$`), stderr: '' })
  const rotated = await runMain(['keys', 'rotate', '--config', config])
  t.match(rotated, { code: 0, stdout: /^\S+ signs from \S+; until then it is published alone\n$/, stderr: /^\{[^\n]*"audit":true,"event":"keys\.rotated","kid":"\S+","by":"[^"]+"\}\n$/ })
  await untilTrue(async () => (await published()).length === 2)
  t.equal(partsOf((await signInForTokens(url)).token).header['kid'], kid)

  t.match(await runMain(['keys', 'revoke', kid, '--config', config]), { code: 0, stdout: new RegExp(`^revoked key ${kid}; \\S+ signs\n$`), stderr: new RegExp(`^\\{[^\n]*"audit":true,"event":"keys.revoked","kid":"${kid}","by":"[^"]+"\\}\n$`) })
  await untilTrue(async () => await status(token) === 401)
  t.equal(await status((await signInForTokens(url)).token), 200)
  t.notOk((await published()).includes(kid))
  t.match(await runMain(['keys', 'revoke', kid, '--config', config]), { code: 1, stdout: '', stderr: /^there is no key .*list names them\n$/ })
})

t.test('keys takes list, rotate or revoke KID, and nothing else', async t => {
  const { config } = await writeConfig(t, {})
  for (const args of [[], ['list', 'x'], ['rotate', 'x'], ['revoke'], ['revoke', 'a', 'b'], ['burn']]) {
    t.match(await runMain(['keys', ...args, '--config', config]), { code: 2, stdout: '', stderr: /^usage: portcullis keys/ })
  }
})

t.test('an id that begins with a dash is an id', async t => {
  const { config } = await writeConfig(t, {})

  t.match(await runMain(['revoke', '--jti', '-x', '--config', config]), { code: 0, stdout: /^revoked token -x of / })
  t.match(await runMain(['revoke', '--session', '-all', '--config', config]), { code: 2, stderr: '--session: is not a session id\n' })
})
