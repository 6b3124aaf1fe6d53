const everywhere = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // default-src is no fallback for base-uri, form-action and frame-ancestors.
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin'
}

const overTls = { ...everywhere, 'strict-transport-security': 'max-age=31536000; includeSubDomains' }

/** Returns the security headers of the gateway's own responses. Responses of upstreams are not changed. */
export function ownHeaders (origin: string | undefined): Readonly<Record<string, string>> {
  return origin?.startsWith('https:') === true ? overTls : everywhere
}
