/* The former path of lib/identity.ts, for the plugin that forwards requests and its tests. Delete it once they import that file. */
export { identityOfSession, type Identity } from './identity.ts'
