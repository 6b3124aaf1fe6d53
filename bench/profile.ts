// Where does the CPU time of a profile go? Reads what `npm run bench -- NAME --cpu-prof DIR` has written.

import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'

const help = `node bench/profile.ts [--top N] FILE.cpuprofile…

Prints for each profile the share of its CPU time by who wrote the code, and the functions that take most of it themselves (20, or N).
Profiles reach from the start of a process to its end; the longer it was measured, the less its start counts.
`

interface Profile {
  nodes: Array<{ id: number, callFrame: { functionName: string, url: string, lineNumber: number } }>
  samples: number[]
  timeDeltas: number[]
}

type Frame = Profile['nodes'][number]['callFrame']

/** Matches Fastify's packages and their dependencies. */
const ofFastify = /^(fastify|find-my-way|pino|avvio|light-my-request|@fastify\/.*|secure-json-parse|fast-.*|safe-regex2|quick-format-unescaped|sonic-boom)$/

function ownerOf ({ functionName, url }: Frame): string {
  if (functionName === '(garbage collector)') return 'garbage collector'
  if (functionName === '(program)') return 'native code without a name, and the kernel'
  const library = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  if (library !== undefined) return ofFastify.test(library) ? 'Fastify and its router and logger' : library
  if (url.startsWith('node:')) return /node:(_http|net|internal\/(streams|stream_base|http|net|timers|process\/task)|stream|events|buffer|internal\/buffer)/.test(url) ? 'node: http, net, streams' : 'node: other'
  if (url.startsWith('wasm')) return 'undici'
  if (url === '') return /write|shutdown|latin1/i.test(functionName) ? 'native: writing to sockets' : 'native functions'
  return `portcullis: ${/\/(plugins\/[\w-]+|lib|stores|routes|bench)[/.]/.exec(url)?.[1] ?? 'other'}`
}

function shares (profile: Profile, keyOf: (frame: Frame) => string): Array<[key: string, share: number]> {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const spent = new Map<string, number>()
  let total = 0
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id)
    if (frame === undefined || frame.functionName === '(idle)') continue
    const us = profile.timeDeltas[index] ?? 0
    total += us
    spent.set(keyOf(frame), (spent.get(keyOf(frame)) ?? 0) + us)
  }
  return [...spent].map(([key, us]): [string, number] => [key, us / total]).sort(([, one], [, other]) => other - one)
}

function nameOf ({ functionName, url, lineNumber }: Frame): string {
  return `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}${url === '' ? '' : `:${lineNumber + 1}`}`
}

function format (rows: Array<[string, number]>): string {
  return rows.map(([key, share]) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${key}`).join('\n')
}

const { values: { top, help: wantsHelp }, positionals } = parseArgs({ allowPositionals: true, options: { top: { type: 'string', default: '20' }, help: { type: 'boolean', short: 'h', default: false } } })
if (wantsHelp || positionals.length === 0) process.stdout.write(help)
for (const file of positionals) {
  const profile = JSON.parse(await readFile(file, 'utf8')) as Profile
  process.stdout.write(`${basename(file)}: by who wrote it\n${format(shares(profile, ownerOf).filter(([, share]) => share >= 0.002))}\n\n${basename(file)}: by function\n${format(shares(profile, nameOf).slice(0, Number(top)))}\n\n`)
}
