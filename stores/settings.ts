import { Type } from '@sinclair/typebox'
import { drivers } from './drivers.ts'

type Groups<Drivers> = { -readonly [Index in keyof Drivers]: Drivers[Index] extends { settings: infer Group } ? Group : never }

const types = drivers.map(({ type }) => `type: ${type}`).join(' or ')

/** The setting `store`: the group of one driver, chosen by `type`. */
export const store = Object.assign(Type.Union(drivers.map(({ settings }) => settings) as unknown as Groups<typeof drivers>), { description: 'The store of sessions and revocations.', default: { type: drivers[0].type }, expects: `a group of settings with ${types}` })
