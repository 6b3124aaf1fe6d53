import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'

/**
 * Returns TLS options for Clusters and sentinels, which announce the other servers by address unless configured otherwise. For a
 * server that is reached by address, a certificate for one of the configured names is accepted too. A server that is reached by
 * name has to prove that name.
 */
export function acceptNames (hosts: string[]): { checkServerIdentity: typeof checkServerIdentity } {
  const names = [...new Set(hosts)].filter(host => isIP(host) === 0)
  return {
    checkServerIdentity (host: string, certificate: PeerCertificate): Error | undefined {
      const error = checkServerIdentity(host, certificate)
      const isOneOfOurs = (): boolean => names.some(name => checkServerIdentity(name, certificate) === undefined)
      return error !== undefined && isIP(host) !== 0 && isOneOfOurs() ? undefined : error
    }
  }
}
