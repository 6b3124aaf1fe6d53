import { readFile } from 'node:fs/promises'
import t from 'tap'
import { runMain, runPortcullis, writeConfig } from '../helpers/portcullis.ts'

t.test('help is on standard output and names every command', async t => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await runMain(args)
    t.same([code, stderr], [0, ''])
    for (const command of ['start', 'check', 'users add', 'users remove', 'keys', 'sessions', 'revoke']) t.match(stdout, `portcullis ${command}`)
  }
})

t.test('help on a command is about that command alone, however it is asked for', async t => {
  for (const [name, words] of [['start', ['--config', '--workers']], ['check', ['--config', 'warning: ']], ['users', ['add NAME', 'remove NAME', '--file', '--subject', '--scopes']], ['keys', ['list', 'rotate', 'revoke KID', '--config']], ['sessions', ['--subject', '--config']], ['revoke', ['--session', '--subject', '--jti', '--issuer', '--all', '--config']]] as const) {
    const asked = await Promise.all([[name, '--help'], ['--help', name], ['help', name], [name, '-h', '--config', 'x']].map(async args => await runMain(args)))
    for (const { code, stdout, stderr } of asked) t.same([code, stdout, stderr], [0, asked[0]!.stdout, ''], name)
    t.match(asked[0]!.stdout, new RegExp(`^usage: portcullis ${name} `))
    for (const word of words) t.match(asked[0]!.stdout, word, name)
  }
})

t.test('help on a command that is not there is wrong usage', async t => {
  for (const args of [['help', 'zebra'], ['zebra', '--help'], ['help', '__proto__']]) t.match(await runMain(args), { code: 2, stdout: '', stderr: /^there is no command [^\n]+\n$/ })
})

t.test('the version is that of the package', async t => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }

  t.same(await runMain(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' })
})

t.test('what was mistyped is told what was meant, where something is near', async t => {
  for (const [args, meant] of [[['chek'], 'check'], [['Start'], 'start'], [['session'], 'sessions'], [['revok', '--all'], 'revoke'], [['start', '--confg', 'x'], '--config'], [['users', 'add', 'ada', '--scope', 'a'], '--scopes']] as const) {
    t.match(await runMain([...args]), { code: 2, stderr: new RegExp(`; did you mean ${meant}\\?[^\\n]*\\n$`) }, args.join(' '))
  }
  t.notMatch((await runMain(['zebra'])).stderr, 'did you mean')
})

t.test('wrong usage is exit 2 and one line on standard error', async t => {
  const { config } = await writeConfig(t)
  const cases = [
    [], ['zebra'], ['__proto__'], ['constructor'], ['Start'],
    ['start'], ['start', '--zebra'], ['start', '--config'], ['start', '--config', ''], ['start', '--config', config, 'zebra'], ['start', '--config', config, '--workers', '0'],
    ['check'], ['check', '--config'], ['check', config], ['check', '--config', config, 'zebra'],
    ['users'], ['users', 'add'], ['users', 'zebra', 'ada'], ['users', 'add', 'ada'], ['users', 'add', 'ada', 'bob', '--file', 'x'], ['users', 'remove', 'ada'],
    ['sessions'], ['sessions', '--config', config], ['sessions', '--subject', 'ada'], ['sessions', '--subject', '', '--config', config],
    ['revoke'], ['revoke', '--config', config], ['revoke', '--subject', 'ada'], ['revoke', '--all', '--subject', 'ada', '--config', config], ['revoke', '--session', 'x', '--jti', 'y', '--config', config],
    ['revoke', '--subject', '', '--config', config], ['revoke', '--jti', '', '--config', config], ['revoke', '--session', 'zebra', '--config', config], ['revoke', '--subject', 'ada', '--issuer', 'x', '--config', config], ['revoke', 'ada', '--config', config], ['start', '--config', config, '--all'], ['check', '--config', config, '--subject', 'ada'], ['users', 'remove', 'ada', '--file', 'x', '--config', config]
  ]
  for (const args of cases) {
    const { code, stdout, stderr } = await runMain(args)
    t.equal(code, 2, args.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /^[^\n]+\n$/, args.join(' '))
    t.notMatch(stderr, /\bat .*:\d+:\d+|TypeError/)
  }
})

t.test('the process ends with the exit code of the command', async t => {
  const [help, unknown, refused] = await Promise.all([['--help'], ['zebra'], ['check', '--config', 'missing.yaml']].map(async args => await runPortcullis(t, args)))
  t.match(help, { code: 0, stdout: /^portcullis: /, stderr: '' })
  t.match(unknown, { code: 2, stdout: '', stderr: /^[^\n]+zebra[^\n]+\n$/ })
  t.match(refused, { code: 1, stdout: '', stderr: /^\/\S+\/missing\.yaml: [^\n]+\n$/ })
})
