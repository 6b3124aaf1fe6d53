import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { HeadersTooLargeError, RequestInvalidError, BodyTooLargeError, RequestTimeoutError } from '../../lib/errors.ts'
import { toProblem, type Problem } from '../../lib/http/problem.ts'
import { settleParserError } from './pipeline.ts'

/** What the parser had to say about a connection, and the response under way on it, if any. */
type ParserError = Error & { code?: string }
type HttpSocket = Socket & { _httpMessage?: ServerResponse | null }

const byCode: Record<string, new () => Error> = {
  ERR_HTTP_REQUEST_TIMEOUT: RequestTimeoutError,
  HPE_HEADER_OVERFLOW: HeadersTooLargeError,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: BodyTooLargeError
}

/** Answers what the HTTP parser refuses: there is no request yet, only the socket. The connection ends with it. */
export function createClientErrorHandler (security: Readonly<Record<string, string>>) {
  return function onClientError (this: Pick<FastifyInstance, 'log'> | void, error: ParserError, socket: HttpSocket): void {
    if (socket.destroyed || settleParserError(error.code, socket)) return
    // Into a response that has begun nothing can be written: half of one and then another is how responses get mixed up.
    if (error.code === 'ECONNRESET' || isOfTls(error) || !socket.writable || socket._httpMessage?.headersSent === true) {
      socket.destroy()
      return
    }
    const problem = toProblem(new (byCode[error.code ?? ''] ?? RequestInvalidError)())
    this?.log.debug({ code: problem.body.code, reason: `the HTTP parser refused it: ${error.code ?? 'unknown'}`, ip: socket.remoteAddress }, 'refused')
    socket.end(formatResponse(problem, security), () => { socket.destroy() })
  }
}

/** A handshake that failed, or records that are none: whoever is there would not understand an answer. */
function isOfTls ({ code = '' }: ParserError): boolean {
  return code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')
}

function formatResponse ({ status, body, headers }: Problem, security: Readonly<Record<string, string>>): string {
  const payload = JSON.stringify(body)
  const fields = { ...security, ...headers, 'content-length': Buffer.byteLength(payload), date: new Date().toUTCString(), connection: 'close' }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${payload}`
}
