import Fastify from 'fastify'
import t from 'tap'
import { addAssets } from '../../../routes/pages/assets.ts'

t.test('files of a folder are served under their names, and nothing else of it', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  let addresses = {}
  await app.register(async scope => { addresses = addAssets(scope, new Map([['index.js', { body: 'export {}' }], ['machine.js', { body: Buffer.from('// é') }]]), '/client') }, { prefix: '/auth' })

  t.match(addresses, { 'index.js': /^\/auth\/client\/index\.js\?v=[\w-]{16}$/, 'machine.js': /^\/auth\/client\/machine\.js\?v=/ })
  const [script, other] = [await app.inject('/auth/client/index.js'), await app.inject('/auth/client/machine.js')]
  t.same([script.statusCode, script.body, script.headers['content-type'], script.headers['cache-control']], [200, 'export {}', 'text/javascript; charset=utf-8', 'no-cache'])
  t.equal(other.body, '// é')
  t.not(script.headers.etag, other.headers.etag)
  t.equal((await app.inject({ url: '/auth/client/index.js', headers: { 'if-none-match': String(script.headers.etag) } })).statusCode, 304)
  for (const path of ['/auth/client', '/auth/client/', '/auth/client/index', '/auth/client/../index.js', '/auth/client/%2e%2e/package.json', '/auth/client/index.ts']) t.equal((await app.inject(path)).statusCode, 404, path)
})
