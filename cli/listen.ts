import type { FastifyInstance } from 'fastify'
import type { Config } from '../config/config.ts'

/** Makes a gateway listen; resolves to the address that it is found at. */
export async function listen (gateway: FastifyInstance, { host, port, tls }: Config['listen']): Promise<string> {
  try {
    await gateway.listen({ host, port })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(`listen: ${host}:${port} cannot be listened on (${code ?? 'unknown'}); choose another port, or end what uses it`, { cause })
  }
  const bound = gateway.server.address()
  return `${tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${typeof bound === 'object' && bound !== null ? bound.port : port}`
}
