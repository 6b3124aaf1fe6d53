import { parseArgs } from 'node:util'

export interface Settings {
  seconds: number
  seed: string
  store: 'sqlite' | 'redis'
  clients: number
  /** Where the result is written as JSON. */
  json: string | null
}

export const usage = `usage: npm run soak -- [--minutes N | --seconds N] [--seed S] [--store sqlite|redis] [--clients N] [--json FILE]

Runs two gateways under a mixed load while faults are injected, and judges everything that clients are told. Prints a line every
10 s, and at the end what happened, what it cost and what was broken: exit 1 if anything was, with the seed that repeats the run.

  --minutes N     how long the load lasts; 30 by default. --seconds N for short ones
  --seed S        what faults and operations follow from; a random one by default
  --store S       redis (by default; needs redis-server) or sqlite
  --clients N     how many clients; 16 by default
  --json FILE     writes the result as JSON
`

const text = { type: 'string' } as const

/** Null when help is asked for. Throws an error whose message says what is wrong. */
export function readSettings (args: string[]): Settings | null {
  const { values } = parseArgs({ args, options: { minutes: text, seconds: text, seed: text, store: text, clients: text, json: text, help: { type: 'boolean', short: 'h' } } })
  if (values.help === true) return null
  const store = values.store ?? 'redis'
  if (store !== 'redis' && store !== 'sqlite') throw new Error('--store: must be redis or sqlite')
  if (values.minutes !== undefined && values.seconds !== undefined) throw new Error('say --minutes or --seconds')
  return {
    seconds: values.seconds === undefined ? 60 * positive('minutes', values.minutes ?? '30') : positive('seconds', values.seconds),
    seed: values.seed ?? String(Math.floor(Math.random() * 1e9)),
    store,
    clients: Math.ceil(positive('clients', values.clients ?? '16')),
    json: values.json ?? null
  }
}

function positive (name: string, value: string): number {
  const number = Number(value)
  if (!(number > 0 && number < 1e6)) throw new Error(`--${name}: must be a number above 0`)
  return number
}
