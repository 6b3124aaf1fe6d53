export interface Credentials {
  username: string
  password: string
}

/** The body that a login route accepts. */
export const credentials = {
  type: 'object',
  required: ['username', 'password'],
  properties: { username: { type: 'string' }, password: { type: 'string' } }
} as const

/** A placeholder for your own look-up. A real one stores hashes, and takes as long for an unknown name as for a wrong password. */
export async function checkPassword ({ username, password }: Credentials): Promise<{ subject: string, scopes: string[] } | null> {
  return username === 'ada' && password === 'open-the-gate' ? { subject: 'ada', scopes: ['orders:read', 'orders:write'] } : null
}
