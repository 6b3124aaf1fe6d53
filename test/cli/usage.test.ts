import t from 'tap'
import { runMain, runPortcullis, writeConfig } from '../helpers/portcullis.ts'

t.test('help is on standard output and names every command', async t => {
  for (const args of [['--help'], ['-h'], ['help'], ['start', '--help']]) {
    const { code, stdout, stderr } = await runMain(args)
    t.same([code, stderr], [0, ''])
    for (const command of ['start', 'check', 'users add', 'users remove', 'sessions', 'revoke']) t.match(stdout, `portcullis ${command}`)
  }
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
  t.match(refused, { code: 1, stdout: '', stderr: /^missing\.yaml: [^\n]+\n$/ })
})
