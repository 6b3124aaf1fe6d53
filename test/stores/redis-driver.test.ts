import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { buildGateway } from '../../gateway/gateway.ts'
import { makeAuthority, makeCertificate, writeCertificate } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { learnSecret } from '../helpers/secrets.ts'

t.test('a gateway connects to a Redis with the authority, the certificate and the key that its configuration names', async t => {
  const folder = t.testdir({ authority: {} })
  await mkdir(join(folder, 'server'))
  const authority = makeAuthority()
  const { tls: { cert, key } } = await writeCertificate(t, join(folder, 'server'), makeCertificate({ authority }))
  const { tls: { cert: ca } } = await writeCertificate(t, join(folder, 'authority'), authority)
  const port = await findClosedPort()
  await startRedis(t, ['--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca])
  const secret = randomBytes(32).toString('base64url')
  learnSecret('a configured secret', secret)

  const app = await buildGateway({
    origin: 'https://app.example.com',
    log: { level: 'silent' },
    secret,
    identity: async () => null,
    store: { type: 'redis', url: `rediss://localhost:${port}`, timeout: '10s', tls: { ca: './authority/cert.pem', cert, key } }
  }, { directory: folder })
  t.teardown(() => app.close())

  t.equal(await app.portcullis.store.read('AAAAAAAAAAAAAAAAAAAAAA'), null)
})
