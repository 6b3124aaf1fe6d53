import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'

const { version: own } = JSON.parse(readFileSync(findPackageJSON(import.meta.url)!, 'utf8')) as { version: string }

/** Version of this package, both in the checkout and in the build. */
export const version = own
