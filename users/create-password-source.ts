import { ConfigInvalidError } from '../lib/errors.ts'
import { checkScopes } from '../lib/session/sign-in.ts'
import { createUsers } from './file-users.ts'
import { isSecondFactorDemand, type IdentityOption, type PasswordSource, type PasswordSourceHooks, type Principal, type VerifyPassword } from './password-source.ts'

/** Makes the password source that the `identity` setting describes. Throws ConfigInvalidError when its file of users is not valid. */
export async function createPasswordSource (option: IdentityOption, hooks: PasswordSourceHooks = {}): Promise<PasswordSource> {
  if (typeof option === 'function') return { verify: async credentials => toPrincipal(await option(credentials)) }
  if (option.type === 'users') return await createUsers({ file: option.file, ...option.staleForMs === undefined ? {} : { staleForMs: option.staleForMs }, ...hooks })
  throw new ConfigInvalidError('identity: must be a file of users or a function')
}

function toPrincipal (answer: Awaited<ReturnType<VerifyPassword>>): Principal | null {
  if (answer === null) return null
  if (isSecondFactorDemand(answer)) throw new TypeError('identity: a function cannot ask for a second factor: compose the plugins, with an object that has verify and verifyChallenge')
  const { subject, scopes = [] } = typeof answer === 'string' ? { subject: answer } : answer
  // The character `|` separates the parts of foreign issuers' subjects, and a subject is sent in a header.
  if (typeof subject !== 'string' || !/^[\x21-\x7b\x7d-\x7e]{1,255}$/.test(subject)) {
    throw new TypeError('identity: the function must resolve to a subject of visible ASCII characters without space and |, or to null')
  }
  try {
    return { subject, scopes: checkScopes(scopes) }
  } catch (cause) {
    throw new TypeError(`identity: of what the function resolves to, ${(cause as Error).message}`, { cause })
  }
}
