const everywhere = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // default-src stands in for neither base-uri, form-action nor frame-ancestors.
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin'
}

const overTls = { ...everywhere, 'strict-transport-security': 'max-age=31536000; includeSubDomains' }

/** Security headers of the responses that we make ourselves; what upstreams answer is left alone. */
export function ownHeaders (origin: string | undefined): Readonly<Record<string, string>> {
  return origin?.startsWith('https:') === true ? overTls : everywhere
}
