import { Type } from '@sinclair/typebox'
import { count, group, list, reference, text } from './fields.ts'
import { checkAdminToken } from './secret-checks.ts'
import { checkHost, checkNotEmpty, checkTrustedProxy } from './text-checks.ts'

const { Optional } = Type

const host = (address: string) => Optional(text(checkHost, { description: 'Address to listen on.', default: address, expects: 'a host name or an IP address' }))
const port = (number: number) => Optional(count({ description: 'Port to listen on; 0 selects a free port.', default: number, minimum: 0, maximum: 65535 }))

export const listen = group({
  host: host('0.0.0.0'),
  port: port(8080),
  trustProxy: Optional(list(text(checkTrustedProxy, { description: 'Address or CIDR block.', expects: 'an IP address or a CIDR block, such as 10.0.0.0/8' }), {
    description: 'The proxies whose X-Forwarded headers are trusted; none by default.', default: [], expects: 'a list of IP addresses or CIDR blocks, such as [10.0.0.0/8]: how many hops, or everyone, is not safe to trust'
  })),
  tls: Optional(group({
    cert: text(checkNotEmpty, { description: 'File of the certificate chain, PEM, beginning with the gateway\'s certificate.', expects: 'a path', isFile: true }),
    key: text(checkNotEmpty, { description: 'File of the private key, PEM, without a passphrase.', expects: 'a path', isFile: true })
  }, { description: 'The gateway terminates TLS itself.' }))
}, { description: 'Where clients connect.', default: {} })

/** Listener for operators. */
export const admin = group({
  host: host('127.0.0.1'),
  port: port(9090),
  token: text(checkAdminToken, { description: 'Bearer token of the admin endpoints; at least 16 characters. Secret.', expects: 'a string', example: reference('ADMIN_TOKEN') })
}, { description: 'Health, metrics and administration on a separate port; off when absent.' })
