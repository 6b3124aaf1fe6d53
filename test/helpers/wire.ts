import type { Test } from 'tap'
import { sendRaw } from './proxy.ts'

export interface WireAnswer {
  status: number
  /** The fields in their order, with names in lower case. */
  fields: Array<[name: string, value: string]>
  body: string
  /** The whole answer. */
  text: string
}

/** Sends one request exactly as written over a separate connection; resolves to the answer. */
export async function askRaw (t: Test, port: number, startLine: string, lines: string[] = [], body = ''): Promise<WireAnswer> {
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`]
  return readAnswer(await sendRaw(t, port, [`${startLine} HTTP/1.1`, 'Host: app.example.com', 'Connection: close', ...length, ...lines, '', body].join('\r\n')).ended)
}

export function readAnswer (text: string): WireAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const fields = lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as [string, string])
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]), fields, body: rest.join('\r\n\r\n'), text }
}

/** Returns every value of a field, one for each line. */
export function valuesOf ({ fields }: WireAnswer, name: string): string[] {
  return fields.filter(([other]) => other === name).map(([, value]) => value)
}
