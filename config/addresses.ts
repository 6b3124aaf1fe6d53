import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { isThisMachine, plainHost, serviceAt, type Addresses } from '../lib/proxy/service-address.ts'

/** Limits the look-ups, so that a silent resolver cannot keep the gateway from starting. */
const longestLookupMs = 2000

/**
 * Looks up the hosts of targets that share a port with another host, because they may be one service. A host that cannot be
 * resolved in time is absent from the result.
 */
export async function findAddresses (targets: readonly string[]): Promise<Addresses> {
  const services = targets.map(serviceAt)
  const doubtful = services.filter(({ host, port }) => services.some(other => other.port === port && other.host !== host)).map(({ host }) => host)
  const own = Object.values(networkInterfaces()).flatMap(list => list ?? []).map(({ address }) => address)
  const found = new Map<string, string[]>()
  const lookups = [...new Set(doubtful)].map(async host => {
    const addresses = isThisMachine(host) ? [] : await addressesOf(host)
    if (addresses !== null) found.set(host, addresses.map(address => own.includes(address) ? 'localhost' : address))
  })
  const stop = new AbortController()
  await Promise.race([Promise.all(lookups), wait(longestLookupMs, undefined, { signal: stop.signal }).catch(() => {})])
  stop.abort()
  return new Map(found)
}

async function addressesOf (host: string): Promise<string[] | null> {
  if (isIP(host) !== 0) return [host]
  try {
    return (await lookup(host, { all: true })).map(({ address }) => plainHost(address))
  } catch {
    return null
  }
}
