import { createRequire } from 'node:module'
import type { Test } from 'tap'
import { type Answer } from './send.ts'

export interface Schema { $ref?: string, [keyword: string]: unknown }
interface Header { required?: boolean }
export interface DocumentedResponse { description: string, headers?: Record<string, Header>, content?: Record<string, { schema: Schema }> }
export interface DocumentedOperation {
  operationId: string
  tags: string[]
  summary: string
  security: Array<Record<string, string[]>>
  parameters?: Array<{ in: string, name: string, required: boolean, schema: Schema }>
  requestBody?: { required: boolean, content: Record<string, { schema: Schema }> }
  responses: Record<string, DocumentedResponse>
}

/** A document in which every `$ref` to a response or a header is resolved. Schemas keep theirs. */
export interface OpenApi {
  openapi: string
  paths: Record<string, Record<string, DocumentedOperation> & { servers?: unknown }>
  components: { schemas: Record<string, Schema>, securitySchemes: Record<string, object> }
}

interface Validate { (value: unknown): boolean, errors?: unknown }
interface Validator { compile (schema: object): Validate }

/** Creates a strict validator of JSON Schema 2020-12: an unknown keyword is an error. It is the one that dclint brings. */
export function createValidator (): Validator {
  const { Ajv2020 } = createRequire(import.meta.resolve('dclint'))('ajv/dist/2020.js') as { Ajv2020: new (options: object) => Validator }
  return new Ajv2020({ strict: true, allowMatchingProperties: true, strictRequired: false, strictTypes: false, allErrors: true, validateFormats: false })
}

export function resolveAnswers (text: string): OpenApi {
  const document = JSON.parse(text) as OpenApi
  return resolve(document, document) as OpenApi
}

function resolve (value: unknown, document: object): unknown {
  if (Array.isArray(value)) return value.map(item => resolve(item, document))
  if (typeof value !== 'object' || value === null) return value
  const { $ref } = value as { $ref?: string }
  if ($ref !== undefined && !$ref.startsWith('#/components/schemas/')) return resolve(lookUp($ref, document), document)
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, resolve(child, document)]))
}

/** Returns the target of a `$ref`; undefined when it does not exist. */
export function lookUp ($ref: string, document: object): unknown {
  return $ref.replace('#/', '').split('/').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], document)
}

/** The headers that a response may only have when they are documented. */
const told = ['set-cookie', 'retry-after', 'www-authenticate', 'ratelimit', 'ratelimit-policy', 'clear-site-data']

/** Compares answers with a document, and records which documented answers occurred: `operationId status code`. */
export class AnswerChecker {
  readonly seen = new Set<string>()
  readonly #operations: Map<string, DocumentedOperation>
  readonly #schemas: Record<string, Schema>
  readonly #validator = createValidator()

  constructor ({ paths, components }: OpenApi) {
    this.#operations = new Map(Object.values(paths).flatMap(({ servers, ...operations }) => Object.values(operations)).map(operation => [operation.operationId, operation]))
    this.#schemas = components.schemas
  }

  /** Returns every answer that the document promises, except those of all operations (`default`). */
  get promised (): string[] {
    return [...this.#operations.values()].flatMap(({ operationId, responses }) => Object.entries(responses).flatMap(([status, response]) => status === 'default' ? [] : codesOf(response).map(code => `${operationId} ${status} ${code}`.trim())))
  }

  /** Compiles a schema together with the document's own definitions. */
  compile (schema: Schema): Validate {
    const written = JSON.stringify({ ...schema, $defs: this.#schemas }).replaceAll('#/components/schemas/', '#/$defs/')
    return this.#validator.compile(JSON.parse(written) as object)
  }

  check (t: Test, operationId: string, answer: Answer): void {
    const { responses } = this.#operations.get(operationId)!
    const response = responses[answer.status] ?? responses['default']!
    const title = `${operationId} ${answer.status} ${answer.code}`.trim()
    this.seen.add(title)
    this.#checkBody(t, title, answer, response)
    const documented = Object.entries(response.headers ?? {}).map(([name, header]) => ({ name: name.toLowerCase(), ...header }))
    for (const { name, required } of documented) if (required === true) t.ok(answer.headers[name] !== undefined, `${title}: ${name} is sent`)
    for (const name of told) if (answer.headers[name] !== undefined) t.ok(documented.some(header => header.name === name), `${title}: ${name} is documented`)
  }

  #checkBody (t: Test, title: string, { headers, text }: Answer, { content }: DocumentedResponse): void {
    const type = headers['content-type']?.split(';')[0] ?? ''
    if (content === undefined) {
      t.same([type, text], ['', ''], `${title}: has no body`)
      return
    }
    const media = content[type]
    if (media === undefined) {
      t.fail(`${title}: is of type ${type}, which is not documented`)
      return
    }
    const validate = this.compile(media.schema)
    t.ok(validate(type.endsWith('json') ? JSON.parse(text) : text), `${title}: ${JSON.stringify(validate.errors)} ${text}`)
  }
}

/** Returns the codes of a problem, or one empty text for any other response. */
export function codesOf ({ content = {} }: DocumentedResponse): string[] {
  const { allOf } = content['application/problem+json']?.schema as { allOf: [Schema, { properties: { code: { enum: string[] } } }] } | undefined ?? {}
  return allOf?.[1].properties.code.enum ?? ['']
}
