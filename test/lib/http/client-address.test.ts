import rateLimit from '@fastify/rate-limit'
import fc from 'fast-check'
import t from 'tap'
import { countedAddress } from '../../../lib/http/client-address.ts'

const { normalizeIP } = rateLimit

t.test('an IPv4 address counts as itself, however it is written', async t => {
  for (const spelling of ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:192.0.2.7', '::ffff:c000:207', '0:0:0:0:0:ffff:c000:0207', '0:0:0:0:0:ffff:192.0.2.7', '0000:0000:0000:0000:0000:FFFF:192.0.2.7', '0::ffff:192.0.2.7', '::0:ffff:192.0.2.7', '::ffff:192.0.2.7%eth0', '192.000.002.007', '0192.0.2.07', '192.0.2.007:4711', '::ffff:0:192.0.2.7', '64:ff9b::192.0.2.7', '0064:FF9B::c000:207', '64:ff9b:0:0:0:0:192.0.2.7', '2002:c000:207::1', '2002:C000:0207:ffff::']) {
    t.equal(countedAddress(spelling), '192.0.2.7', spelling)
  }
})

t.test('two IPv4 addresses count as two, however they are embedded in IPv6', async t => {
  for (const prefix of ['::ffff:', '0:0:0:0:0:ffff:', '64:ff9b::']) t.equal(countedAddress(`${prefix}192.0.2.8`), '192.0.2.8', prefix)
  for (const other of ['64:ff9b:1::192.0.2.7', '1::ffff:192.0.2.7', '::192.0.2.7']) t.match(countedAddress(other), /::\/64$/, other)
})

t.test('the addresses of one IPv6 /64 count as one, those of its neighbour as another', async t => {
  for (const spelling of ['2001:db8:1:2::', '2001:db8:1:2::1', '2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:0db8:0001:0002:3::4', '2001:db8:1:2::5%eth0']) {
    t.equal(countedAddress(spelling), '2001:db8:1:2::/64', spelling)
  }
  t.equal(countedAddress('2001:db8:1:3::1'), '2001:db8:1:3::/64')
  t.equal(countedAddress('::1'), '0:0:0:0::/64')
})

t.test('an address that a proxy names with its port counts as the address', async t => {
  for (const [spelling, address] of [['192.0.2.7:4711', '192.0.2.7'], ['192.0.2.7:1', '192.0.2.7'], ['[2001:db8:1:2::1]:4711', '2001:db8:1:2::/64'], ['[2001:db8:1:2::9]', '2001:db8:1:2::/64'], ['[::ffff:192.0.2.7]:80', '192.0.2.7']] as const) {
    t.equal(countedAddress(spelling), address, spelling)
  }
  for (const spelling of ['192.0.2.7:', '192.0.2.7:x', 'host:80', '[]:80', '[x]:80']) t.equal(countedAddress(spelling), spelling)
})

t.test('what is no address counts as itself', async t => {
  for (const text of ['unknown', '', '192.0.2', '0192.0.2.0999', '_hidden', '0']) t.equal(countedAddress(text), text)
})

t.test('two addresses count as one exactly when @fastify/rate-limit says so', async () => {
  const group = fc.constantFrom('0', '1', 'ffff', '0db8')
  const address = fc.oneof(fc.ipV6(), fc.ipV4(), fc.array(group, { minLength: 8, maxLength: 8 }).map(groups => groups.join(':')))

  fc.assert(fc.property(address, address, (one, other) => {
    return (countedAddress(one) === countedAddress(other)) === (normalizeIP(one) === normalizeIP(other))
  }))
  fc.assert(fc.property(fc.ipV6(), one => countedAddress(countedAddress(one).replace('/64', '1')) === countedAddress(one)))
})
