import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'

const { version: own } = JSON.parse(readFileSync(findPackageJSON(import.meta.url)!, 'utf8')) as { version: string }

/** The version of this package, from the checkout and from the build alike. */
export const version = own
