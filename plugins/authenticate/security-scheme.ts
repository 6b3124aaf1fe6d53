/** A security scheme of an OpenAPI document. */
export type SecurityScheme = { type: 'apiKey', in: 'cookie', name: string } | { type: 'http', scheme: 'bearer', bearerFormat: string }
