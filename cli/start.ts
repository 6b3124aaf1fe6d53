import type { FastifyInstance } from 'fastify'
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { composeGateway } from '../gateway.ts'
import { describeError } from '../plugins/errors.ts'
import { required, UsageError, type Arguments, type Edge } from './main.ts'

/** Runs the gateway until it is told to end, then drains. */
export async function startCommand (args: Arguments, { env, stdout, signals }: Edge): Promise<number> {
  if (args.values.workers !== undefined && args.values.workers !== '1') throw new UsageError('--workers: not supported yet; start several processes')
  const config = await loadConfig(required(args, 'config'), env)
  const told = whenTold(signals)
  const gateway = await composeGateway(config)
  const broken = whenBroken(gateway, signals)
  try {
    stdout.write(`portcullis listening on ${await listen(gateway, config.listen)}\n`)
    return await Promise.race([told, broken])
  } finally {
    await gateway.close()
  }
}

async function listen (gateway: FastifyInstance, { host, port, tls }: Config['listen']): Promise<string> {
  try {
    await gateway.listen({ host, port })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(`listen: ${host}:${port} cannot be listened on (${code ?? 'unknown'}); choose another port, or end what uses it`, { cause })
  }
  const bound = gateway.server.address()
  return `${tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${typeof bound === 'object' && bound !== null ? bound.port : port}`
}

/** A second signal finds no listener of ours and ends the process at once. */
async function whenTold (signals: Edge['signals']): Promise<number> {
  await new Promise<void>(resolve => {
    const told = (): void => {
      signals.off('SIGTERM', told)
      signals.off('SIGINT', told)
      resolve()
    }
    signals.once('SIGTERM', told)
    signals.once('SIGINT', told)
  })
  return 0
}

/**
 * The last resort, so that one request never ends everybody's: a promise that was rejected with nobody waiting is logged and no
 * more. After an exception that nobody caught nothing is certain: those under way are finished, and the process ends with 1. A
 * second one ends it at once.
 */
async function whenBroken ({ log }: FastifyInstance, signals: Edge['signals']): Promise<number> {
  signals.on('unhandledRejection', reason => { log.error({ error: describeError(reason) }, 'a promise was rejected, and nobody waited for it') })
  await new Promise<void>(resolve => {
    signals.once('uncaughtException', reason => {
      log.fatal({ error: describeError(reason) }, 'an exception that nobody caught ends this process')
      resolve()
    })
  })
  return 1
}
