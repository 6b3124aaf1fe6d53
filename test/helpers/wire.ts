import type { Test } from 'tap'
import { sendRaw } from './proxy.ts'

export interface WireAnswer {
  status: number
  /** As they came, names in lower case. */
  fields: Array<[name: string, value: string]>
  body: string
  /** All of it. */
  text: string
}

/** One request exactly as it is written, and the answer to it, on a connection of its own. */
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

/** Every value of a field, each line its own. */
export function valuesOf ({ fields }: WireAnswer, name: string): string[] {
  return fields.filter(([other]) => other === name).map(([, value]) => value)
}
