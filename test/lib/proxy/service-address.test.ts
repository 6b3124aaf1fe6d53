import t from 'tap'
import { isLoopback, isSameService, isThisMachine } from '../../../lib/proxy/service-address.ts'

const noAddresses = new Map<string, string[]>()

t.test('every spelling of an address is one service', async t => {
  for (const [one, other] of [
    ['http://[::ffff:10.0.0.5]:80', 'http://10.0.0.5'], ['http://[::ffff:a00:5]', 'http://10.0.0.5'], ['http://[0:0:0:0:0:FFFF:0A00:0005]', 'http://10.0.0.5'], ['http://167772165', 'http://10.0.0.5'], ['http://0x0a.0.5', 'http://10.0.0.5'], ['http://012.0.0.5', 'http://10.0.0.5'],
    ['http://[fd00:0:0::1]', 'http://[fd00::1]'], ['http://[::ffff:7f00:1]:3001', 'http://localhost:3001'], ['http://2130706433:3001', 'http://[::1]:3001'], ['http://[::ffff:0:0]:3001', 'http://127.0.0.9:3001'], ['http://App.Internal.', 'http://app.internal'], ['https://a.internal', 'http://a.internal:443']
  ] as const) t.ok(isSameService(one, other, noAddresses), `${one} ${other}`)
})

t.test('other ports and other addresses are other services', async t => {
  for (const [one, other] of [['http://10.0.0.5', 'http://10.0.0.6'], ['http://10.0.0.5', 'http://10.0.0.5:81'], ['http://[::ffff:10.0.0.5]', 'http://[::fffe:10.0.0.5]'], ['http://[::ffff:0:a00:5]', 'http://10.0.0.5'], ['http://[fd00::1]', 'http://[fd00::2]']] as const) {
    t.notOk(isSameService(one, other, noAddresses), `${one} ${other}`)
  }
})

t.test('a name that resolves to an address in the form of IPv6 is the service at that address', async t => {
  t.ok(isSameService('http://app.internal', 'http://10.0.0.5', new Map([['app.internal', ['::ffff:10.0.0.5']]])))
  t.ok(isSameService('http://app.internal', 'http://[::ffff:10.0.0.5]', new Map([['app.internal', ['10.0.0.5']]])))
})

t.test('this machine is recognised in every form', async t => {
  for (const host of ['localhost', 'a.localhost', '127.9.9.9', '::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '[::ffff:7f00:1]']) t.ok(isLoopback(host), host)
  for (const host of ['0.0.0.0', '::', '[::]', '::ffff:0.0.0.0']) t.ok(isThisMachine(host) && !isLoopback(host), host)
  for (const host of ['10.0.0.5', '::ffff:10.0.0.5', 'localhost.example', '::2', 'fe80::1%lo']) t.notOk(isThisMachine(host), host)
})
