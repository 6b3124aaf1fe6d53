import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import errors from '../../plugins/errors.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { acceptJsonAlone } from '../../routes/json-api.ts'
import { eventually, sendRaw } from '../helpers/proxy.ts'

const mebibyte = 1024 * 1024

t.test('many large bodies at once are given up beyond 32 MiB, and small ones are read beside them', async t => {
  const app = Fastify(serverOptions())
  await app.register(errors)
  acceptJsonAlone(app, 3_600_000)
  app.post('/', async request => ({ got: Object.keys(request.body as object) }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  const { port } = app.server.address() as AddressInfo
  const head = (length: number) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`

  const small = sendRaw(t, port, `${head(7)}{"a":`)
  let ended = 0
  const large = Array.from({ length: 50 }, () => sendRaw(t, port, `${head(mebibyte)}{"x":"${'x'.repeat(mebibyte - 100)}`))
  for (const client of large) client.until(/\}$/).then(() => { ended++ }, () => {})
  await eventually(() => ended >= 12)
  small.socket.write('1}')

  t.match(await small.until(/\}$/), /^HTTP\/1\.1 200 [^]*\{"got":\["a"\]\}$/)
  for (const { received } of large.filter(({ received }) => received() !== '')) t.match(received(), /^HTTP\/1\.1 408 [^]*connection: close[^]*PTC_ERR_REQUEST_TIMEOUT/)
})
