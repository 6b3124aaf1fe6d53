import type { BudgetConfig, Config } from '../config.ts'
import { warn } from './warnings.ts'

const silent = ['warn', 'error', 'fatal', 'silent']

/** Warns about settings that make the gateway harder to operate. */
export function lintOperation ({ listen, limits, shutdown, log, rateLimit, upstreams }: Config): string[] {
  return [
    ...warn(
      [silent.includes(log.level), `log.level: is ${log.level}, so audit lines, which are of level info, are not written; write info`],
      [limits.headersBytes < 8192, 'limits.headers: is below 8KiB, so a browser\'s own headers and an access token together may be refused with 431; write 16KiB'],
      [listen.trustProxy.length > 0 && limits.keepAliveMs <= 60_000, 'limits.keepAlive: is at most 60s, as long as many proxies keep a connection, so some requests meet one that is being closed; make it longer than the proxy\'s'],
      [shutdown.timeoutMs === 0, 'shutdown.timeout: is 0s, so requests under way are cut at once; write 10s'],
      [shutdown.delayMs + shutdown.timeoutMs > 30_000, 'shutdown: delay and timeout together are above 30s, after which Kubernetes ends what still runs; shorten them, or lengthen its grace period'],
      [rateLimit.signIn.max / (rateLimit.signIn.windowMs / 1000) > 10, 'rateLimit.signIn: lets more than ten guesses a second through; lower max']
    ),
    ...lintBudget('rateLimit.signIn', rateLimit.signIn, 'one slip of the fingers locks an account'),
    ...lintBudget('rateLimit.refresh', rateLimit.refresh, 'the second tab or a retry is refused'),
    ...upstreams.flatMap(({ rateLimit: budget }, index) => budget === null ? [] : lintBudget(`upstreams[${index}].rateLimit`, budget, 'a page that makes two requests is refused'))
  ]
}

function lintBudget (setting: string, { max, windowMs }: BudgetConfig, consequence: string): string[] {
  return warn([max === 1, `${setting}.max: is 1, so ${consequence} until ${windowMs / 1000} s are over; raise it`])
}
