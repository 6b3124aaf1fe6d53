import { findFault } from '../../lib/json.ts'

/* Requests to an identity provider: bounded in size and time, to addresses that may be asked alone, and without redirects. */

const maxBytes = 256 * 1024
const timeoutMs = 5000
/** Maximum nesting depth of an answer in JSON, as in tokens. */
const levels = 16

/** Failure of a request whose reason may be logged. */
export class RequestFailure extends Error {}

/** Returns why an address of a provider may not be asked; null if it may. */
export function addressFault (address: string, { isLocal }: { isLocal: boolean }): string | null {
  const url = URL.parse(address)
  if (url === null) return 'no address'
  const isLoopback = ['localhost', '127.0.0.1'].includes(url.hostname)
  return url.protocol === 'https:' || (isLocal && url.protocol === 'http:' && isLoopback) ? null : 'not https'
}

/**
 * Creates a fetch that reads the whole response before it resolves. With `isLocal`, plain http to this machine is permitted. Rejects with
 * RequestFailure if the response has more than 256 KiB, or is JSON that two parsers may read differently, and with the errors of fetch if it does not end within five seconds.
 */
export function createBoundedFetch ({ isLocal, signal }: { isLocal: boolean, signal: AbortSignal }) {
  return async function boundedFetch (address: string, options: RequestInit = {}): Promise<Response> {
    const fault = addressFault(address, { isLocal })
    if (fault !== null) throw new RequestFailure(`an address of the provider is ${fault}`)
    const signals = [signal, AbortSignal.timeout(timeoutMs), ...options.signal == null ? [] : [options.signal]]
    const headers = new Headers(options.headers)
    headers.set('accept-encoding', 'identity')
    const response = await fetch(address, { ...options, headers, redirect: 'manual', signal: AbortSignal.any(signals) })
    const bytes = await readBytes(response)
    if (isAmbiguous(bytes)) throw new RequestFailure('the answer repeats a member, or is nested too deep')
    return new Response([101, 204, 205, 304].includes(response.status) ? null : bytes, { status: response.status, headers: response.headers })
  }
}

async function readBytes ({ body, headers }: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let length = Number(headers.get('content-length') ?? 0)
  const isPacked = (headers.get('content-encoding') ?? 'identity') !== 'identity'
  if (isPacked || length > maxBytes) {
    await body?.cancel()
    throw new RequestFailure(isPacked ? 'the answer is compressed' : `the answer has more than ${maxBytes} bytes`)
  }
  length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > maxBytes) throw new RequestFailure(`the answer has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Uint8Array.from(Buffer.concat(chunks))
}

/** Returns whether bytes are JSON that repeats the name of a member, or that is too deep to be copied. The content type decides nothing. */
function isAmbiguous (bytes: Uint8Array): boolean {
  const text = new TextDecoder().decode(bytes)
  return /^\s*[[{]/.test(text) && findFault(text, { levels }) !== null
}
