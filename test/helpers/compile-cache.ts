import { resolve } from 'node:path'

const { NODE_COMPILE_CACHE: folder = '' } = process.env

/** What the environment of a child process needs to share the compile cache of the tests. Without it, a gateway compiles all modules anew. */
export const compileCache: Record<string, string> = folder === '' ? {} : { NODE_COMPILE_CACHE: resolve(folder) }
