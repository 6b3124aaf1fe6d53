import rateLimit from '@fastify/rate-limit'
import fc from 'fast-check'
import t from 'tap'
import { countedAddress } from '../../../lib/http/client-address.ts'

const { normalizeIP } = rateLimit

t.test('an IPv4 address counts as itself, however it is written', async t => {
  for (const spelling of ['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:192.0.2.7', '::ffff:c000:207', '0:0:0:0:0:ffff:c000:0207']) {
    t.equal(countedAddress(spelling), '192.0.2.7', spelling)
  }
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
  t.equal(countedAddress('unknown'), 'unknown')
})

t.test('two addresses count as one exactly when @fastify/rate-limit says so', async () => {
  const group = fc.constantFrom('0', '1', 'ffff', '0db8')
  const address = fc.oneof(fc.ipV6(), fc.ipV4(), fc.array(group, { minLength: 8, maxLength: 8 }).map(groups => groups.join(':')))

  fc.assert(fc.property(address, address, (one, other) => {
    return (countedAddress(one) === countedAddress(other)) === (normalizeIP(one) === normalizeIP(other))
  }))
  fc.assert(fc.property(fc.ipV6(), one => countedAddress(countedAddress(one).replace('/64', '1')) === countedAddress(one)))
})
