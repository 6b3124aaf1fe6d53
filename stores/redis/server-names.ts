import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'

/**
 * TLS options for servers that are known by name, of which some are found by address: Clusters and sentinels tell where the others
 * are, and by default they tell an address. A certificate that proves the name of one of the configured servers is then accepted
 * too. A server that is connected to by name has to prove that very name.
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
