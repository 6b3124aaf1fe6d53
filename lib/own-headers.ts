const everywhere = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'"
}

const overTls = { ...everywhere, 'strict-transport-security': 'max-age=31536000' }

/** Security headers of the responses that we make ourselves; what upstreams answer is left alone. */
export function ownHeaders (origin: string | undefined): Readonly<Record<string, string>> {
  return origin?.startsWith('https:') === true ? overTls : everywhere
}
