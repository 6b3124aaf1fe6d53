import { isThisMachine, plainHost, serviceAt } from '../lib/proxy/service-address.ts'
import type { Problem } from './problems.ts'
import type { Settings } from './schema.ts'

/** Finds targets that lead back to the gateway. Their requests would loop, or reach the listener of operators. */
export function checkTargets ({ origin, listen, admin, upstreams }: Settings): Problem[] {
  const named = upstreams.flatMap(({ target, targets }, index) => [
    ...target === undefined ? [] : [{ target, setting: `upstreams[${index}].target` }],
    ...(targets ?? []).map((address, at) => ({ target: address, setting: `upstreams[${index}].targets[${at}]` }))
  ])
  return named.flatMap(({ target, setting }) => {
    const refuse = (text: string): Problem[] => [{ setting, text }]
    const at = serviceAt(target)

    if (isListener(listen, at)) return refuse('is where the gateway itself listens, so requests would go round; name the service')
    if (admin !== undefined && isListener(admin, at)) return refuse('is the listener of admin, which must not be where clients are; name the service')
    return new URL(target).origin === new URL(origin).origin ? refuse('is origin, which leads here again; name the address of the service itself') : []
  })
}

/** Compares by the texts alone; other names and addresses of this machine are not looked up. */
function isListener (listener: { host: string, port: number }, { host, port }: { host: string, port: number }): boolean {
  if (listener.port !== port) return false
  return plainHost(listener.host) === host || (isThisMachine(host) && isThisMachine(listener.host))
}
