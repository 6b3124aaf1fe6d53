import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { formatHtml } from '../../bench/html.ts'
import { formatPage, type Result } from '../../bench/report.ts'

const root = new URL('../../', import.meta.url)

async function run (args: string[]): Promise<{ code: number, stdout: string, stderr: string }> {
  const child = spawn(process.execPath, ['bench/run.ts', ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code: code as number, stdout, stderr }
}

t.test('--help lists every bench with its question, which is the first line of its file', async t => {
  const { code, stdout } = await run(['--help'])

  t.equal(code, 0)
  for (const name of ['bodies', 'fan-out', 'gateway', 'generators', 'latency', 'peers', 'refresh', 'revocation', 'scale', 'tokens', 'verify', 'waiting', 'websocket', 'workers']) {
    const [, question] = /^\/\/ (.+)$/m.exec(await readFile(new URL(`bench/${name}.ts`, root), 'utf8'))!
    t.match(stdout, new RegExp(`^ {2}${name} +${question!.replaceAll(/[?.*+()]/g, '\\$&')}$`, 'm'))
  }
})

t.test('wrong usage is exit 2, and one line that says what there is', async t => {
  for (const [args, message] of [
    [['nothing'], /^there is no bench nothing; there are bodies, fan-out, /],
    [['--arms', 'token'], /^--arms: name the one bench/],
    [['gateway', '--rounds', '4'], /^--rounds: must be a whole number from 5 to 50\n$/],
    [['gateway', '--seconds', 'x'], /^--seconds: must be/],
    [['gateway', '--quick', '--rounds', '7'], /^--quick has its own/],
    [['--fast'], /--fast/],
    [['gate', '--rounds', '1'], /^--rounds: must be a whole number from 5 to 50\n$/],
    [['gate', '--fast'], /--fast/]
  ] as const) {
    const { code, stderr } = await run([...args])
    t.equal(code, 2, args.join(' '))
    t.match(stderr, message, args.join(' '))
  }
})

t.test('the pages are what the results say', async t => {
  const help = (await run(['--help'])).stdout
  const names = [...help.matchAll(/^ {2}([a-z][a-z-]*) {2,}(.+)$/gm)].filter(([, name]) => name !== 'options').map(([, name = '', question = '']) => ({ name, question }))
  const sections: Record<string, { question: string, result: Result | null }> = {}
  for (const { name, question } of names) {
    const json = await readFile(new URL(`bench/results/${name}.json`, root), 'utf8').catch(() => null)
    sections[name] = { question, result: json === null ? null : JSON.parse(json) as Result }
  }

  t.equal(await readFile(new URL('bench/README.md', root), 'utf8'), formatPage(sections))
  t.equal(await readFile(new URL('bench/report.html', root), 'utf8'), formatHtml(sections))
})
