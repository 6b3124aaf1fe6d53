import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { HeadersTooLargeError, RequestInvalidError, BodyTooLargeError, RequestTimeoutError } from '../../lib/errors.ts'
import { toProblem, type Problem } from '../../lib/http/problem.ts'
import { settleParserError } from './pipeline.ts'

/** Error of the HTTP parser. `HttpSocket` is its connection, with the current response, if any. */
type ParserError = Error & { code?: string }
type HttpSocket = Socket & { _httpMessage?: ServerResponse | null }

const byCode: Record<string, new () => Error> = {
  ERR_HTTP_REQUEST_TIMEOUT: RequestTimeoutError,
  HPE_HEADER_OVERFLOW: HeadersTooLargeError,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: BodyTooLargeError
}

/** Responds to requests that the HTTP parser rejects, for which only the socket exists. The connection ends with the response. */
export function createClientErrorHandler (security: Readonly<Record<string, string>>) {
  return function onClientError (this: Pick<FastifyInstance, 'log'> | void, error: ParserError, socket: HttpSocket): void {
    if (socket.destroyed || settleParserError(error.code, socket)) return
    // A response that has begun must not be continued: half of one followed by another is how responses get mixed up.
    if (error.code === 'ECONNRESET' || isOfTls(error) || !socket.writable || socket._httpMessage?.headersSent === true) {
      socket.destroy()
      return
    }
    const problem = toProblem(new (byCode[error.code ?? ''] ?? RequestInvalidError)())
    this?.log.debug({ code: problem.body.code, reason: `the HTTP parser refused it: ${error.code ?? 'unknown'}`, ip: socket.remoteAddress }, 'refused')
    socket.end(formatResponse(problem, security), () => { socket.destroy() })
  }
}

/** Returns whether the TLS handshake failed, or the data is not TLS. The client would not understand a response. */
function isOfTls ({ code = '' }: ParserError): boolean {
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')
}

function formatResponse ({ status, body, headers }: Problem, security: Readonly<Record<string, string>>): string {
  const payload = JSON.stringify(body)
  const fields = { ...security, ...headers, 'content-length': Buffer.byteLength(payload), date: new Date().toUTCString(), connection: 'close' }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${payload}`
}
