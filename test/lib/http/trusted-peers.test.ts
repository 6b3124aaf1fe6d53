import t from 'tap'
import { isAddressBlock, isEveryAddress, isMappedAddress } from '../../../lib/http/trusted-peers.ts'

t.test('addresses and blocks of both families are recognised', async t => {
  for (const text of ['10.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', '192.168.0.0/32', '::/128']) t.ok(isAddressBlock(text), text)
})

t.test('names, hop counts, zones and impossible prefixes are no blocks', async t => {
  for (const text of ['', '1', 'loopback', '10.0.0.0/33', '10.0.0.0/', '::/129', 'fe80::1%eth0', '10.0.0/8', '10.0.0.0/8/8']) t.notOk(isAddressBlock(text), text)
})

t.test('a block of every address is recognised', async t => {
  t.ok(isEveryAddress('0.0.0.0/0'))
  t.ok(isEveryAddress('::/00'))
  t.notOk(isEveryAddress('10.0.0.0/10'))
})

t.test('IPv4 in the form of IPv6 is recognised in every spelling', async t => {
  for (const text of ['::ffff:0:0/96', '::ffff:10.0.0.1', '0:0:0:0:0:ffff:a00:0/104']) t.ok(isMappedAddress(text), text)
  for (const text of ['10.0.0.1', '::1', 'fd00::/8', '::ffff:0:0:0/96', 'localhost']) t.notOk(isMappedAddress(text), text)
})
