import { rm, writeFile } from 'node:fs/promises'
import t from 'tap'
import { Agent, request } from 'undici'
import { makeCertificate, writeCertificate } from '../helpers/certificate.ts'
import { runMain, startPortcullis, writeConfig } from '../helpers/portcullis.ts'
import { startUpstream } from '../helpers/upstream.ts'

const listen = { host: '127.0.0.1', port: 0, tls: { cert: './cert.pem', key: 'key.pem' } }

t.test('a gateway with a certificate says https, and signs in over it with a __Host- cookie', async t => {
  const upstream = await startUpstream(t)
  const { config, folder } = await writeConfig(t, { listen, upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders' }] })
  const { cert } = await writeCertificate(t, folder)
  const gateway = await startPortcullis(t, config)
  t.match(gateway.url, /^https:\/\/127\.0\.0\.1:[1-9]\d*$/)
  const dispatcher = new Agent({ connect: { ca: cert } })
  t.teardown(async () => { await dispatcher.destroy() })

  const signedIn = await request(`${gateway.url}/auth/login`, { dispatcher, method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'ada', password: 'correct horse' }) })
  const [cookie = ''] = [signedIn.headers['set-cookie']].flat()
  await signedIn.body.dump()
  const proxied = await request(`${gateway.url}/orders/1`, { dispatcher, headers: { cookie: cookie.split(';')[0]! } })
  await proxied.body.dump()

  t.match(signedIn, { statusCode: 200, headers: { 'strict-transport-security': /max-age=/ } })
  t.match(cookie, /^__Host-Http-portcullis=.*; Secure/)
  t.equal(proxied.statusCode, 200)
  t.match(upstream.requests[0]!.headers, { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example.com' })
  t.equal((await gateway.end()).code, 0)
})

t.test('a certificate that has expired is a warning, in check and in the log', async t => {
  const { config, folder } = await writeConfig(t, { listen, log: { level: 'warn' } })
  await writeCertificate(t, folder, makeCertificate({ from: Date.now() - 7_200_000, to: Date.now() - 3_600_000 }))

  const checked = await runMain(['check', '--config', config])
  const { stdout } = await (await startPortcullis(t, config)).end()

  t.equal(checked.code, 0)
  t.match(checked.stdout, /^warning: listen\.tls\.cert: .* expired on /m)
  t.match(stdout, /"msg":"listen\.tls\.cert: .* expired on /)
})

t.test('a certificate that cannot be used is one line, in check and at start', async t => {
  const { config, folder } = await writeConfig(t, { listen })
  const { tls } = await writeCertificate(t, folder)

  for (const [spoil, line] of [
    [() => writeFile(tls.key, makeCertificate().key), /^listen\.tls\.key: .* is not the key of the first certificate in .*\n$/],
    [() => rm(tls.cert), /^listen\.tls\.cert: .* is not there; .*\n$/]
  ] as const) {
    await spoil()
    for (const command of ['check', 'start']) {
      const { code, stdout, stderr } = await runMain([command, '--config', config])
      t.same([code, stdout], [1, ''], command)
      t.match(stderr, line, command)
    }
  }
})
