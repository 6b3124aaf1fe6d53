import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { installFolder, stepsOf, Terminal, withFreePorts } from '../helpers/page.ts'

/*
 * The page is done as a reader does it: its files are written, its commands pasted into a shell, against real processes, and what
 * they print is compared with what the page says. Ports and the folder alone are others.
 */
const ports = [8080, 3001, 3002, 3003, 3004]

t.test('the guide does what it says, command by command', async t => {
  const folder = await installFolder(t, ['jose'])
  const page = await withFreePorts(await readFile(new URL('../../docs/guides/tutorial.md', import.meta.url), 'utf8'), ports)
  const terminal = new Terminal(t, folder)

  const steps = stepsOf(page)
  for (const step of steps) {
    if (step.kind === 'write') await writeFile(join(folder, step.file), step.text)
    else if (step.isOwnTerminal) await new Terminal(t, folder).start(step.script, step.expected)
    else t.equal((await terminal.run(step.script)).replaceAll('\r', '').replaceAll(folder, '/home/you/gateway'), step.expected, step.script)
  }
  t.equal(steps.filter(step => step.kind === 'run' && step.isOwnTerminal).length, 2)
})

t.test('the guide leaves no command without its answer', async t => {
  for (const step of stepsOf(await readFile(new URL('../../docs/guides/tutorial.md', import.meta.url), 'utf8'))) {
    if (step.kind === 'run') t.not(step.expected, '', step.script)
  }
})
