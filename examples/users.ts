export interface Credentials {
  username: string
  password: string
}

/** What a login route accepts. */
export const credentials = {
  type: 'object',
  required: ['username', 'password'],
  properties: { username: { type: 'string' }, password: { type: 'string' } }
} as const

/** Stands for your own look-up. A real one keeps hashes, and takes as long for an unknown name as for a wrong password. */
export async function checkPassword ({ username, password }: Credentials): Promise<{ subject: string, scopes: string[] } | null> {
  return username === 'ada' && password === 'open-the-gate' ? { subject: 'ada', scopes: ['orders:read', 'orders:write'] } : null
}
