/* The former path of lib/check-options.ts, for the plugin that forwards requests. Delete it once that plugin imports that file. */
export { checkOptions } from './check-options.ts'
