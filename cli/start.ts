import type { FastifyInstance } from 'fastify'
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { composeGateway } from '../gateway.ts'
import { required, UsageError, type Arguments } from './arguments.ts'
import type { Edge } from './main.ts'

/** Runs the gateway until it is told to end, then drains. */
export async function startCommand (args: Arguments, { env, stdout, signals }: Edge): Promise<number> {
  if (args.values.workers !== undefined && args.values.workers !== '1') throw new UsageError('--workers: not supported yet; start several processes')
  const config = await loadConfig(required(args, 'config'), env)
  const ended = whenTold(signals)
  const gateway = await composeGateway(config)
  try {
    stdout.write(`portcullis listening on ${await listen(gateway, config.listen)}\n`)
    await ended
  } finally {
    await gateway.close()
  }
  return 0
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
async function whenTold (signals: Edge['signals']): Promise<void> {
  await new Promise<void>(resolve => {
    const told = (): void => {
      signals.off('SIGTERM', told)
      signals.off('SIGINT', told)
      resolve()
    }
    signals.once('SIGTERM', told)
    signals.once('SIGINT', told)
  })
}
