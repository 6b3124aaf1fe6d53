import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { chmod, chown, link, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { updateFile } from '../../users/update-file.ts'

const isRoot = process.geteuid!() === 0
const asRoot = isRoot ? {} : { skip: 'only root may give files away' }
const hasAcl = spawnSync('setfacl', ['--version']).status === 0
const withAttributes = spawnSync('setfattr', ['--version']).status === 0 ? {} : { skip: 'setfattr is not installed' }
const withAcl = hasAcl ? {} : { skip: 'setfacl is not installed' }

async function makeFile (t: Test, { mode = 0o640, text = '{ "users": [] }' } = {}): Promise<{ folder: string, file: string }> {
  const folder = t.testdir({})
  const file = join(folder, 'users.json')
  await writeFile(file, text)
  await chmod(file, mode)
  return { folder, file }
}

async function rightsOf (file: string): Promise<{ uid: number, gid: number, mode: number }> {
  const { uid, gid, mode } = await stat(file)
  return { uid, gid, mode: mode & 0o7777 }
}

t.test('a file keeps its mode, and is replaced as a whole', async t => {
  for (const mode of [0o600, 0o640, 0o664, 0o400]) {
    const { folder, file } = await makeFile(t, { mode })
    const before = await stat(file)

    await updateFile(file, async () => '{}')
    t.equal((await stat(file)).mode, before.mode)
    t.not((await stat(file)).ino, before.ino)
    t.equal(await readFile(file, 'utf8'), '{}')
    t.strictSame(await readdir(folder), ['users.json'])
  }
})

t.test('a file that root changes stays its owner\'s and its group\'s, also in a folder that gives its group on', asRoot, async t => {
  const { folder, file } = await makeFile(t)
  await chown(file, 1234, 2345)
  await chown(folder, 0, 3456)
  await chmod(folder, 0o2755)

  await updateFile(file, async () => '{}')
  t.strictSame(await rightsOf(file), { uid: 1234, gid: 2345, mode: 0o640 })
  t.equal(await readFile(file, 'utf8'), '{}')
})

t.test('a file that root makes is the folder\'s owner\'s, or for the group that the folder is closed to all but', asRoot, async t => {
  for (const [uid, gid, mode, expected] of [
    [1234, 2345, 0o755, { uid: 1234, gid: 2345, mode: 0o600 }],
    [0, 2345, 0o750, { uid: 0, gid: 2345, mode: 0o640 }],
    [0, 2345, 0o755, { uid: 0, gid: 0, mode: 0o600 }],
    [0, 0, 0o750, { uid: 0, gid: 0, mode: 0o600 }]
  ] as const) {
    const folder = t.testdir({})
    await chown(folder, uid, gid)
    await chmod(folder, mode)
    const file = join(folder, 'users.json')

    await updateFile(file, async () => '{}')
    t.strictSame(await rightsOf(file), expected, `${uid} ${gid} ${mode.toString(8)}`)
  }
})

t.test('an access control list stays, and with it whom it lets read', withAcl, async t => {
  const { folder, file } = await makeFile(t)
  const aclOf = (path: string): string => execFileSync('getfacl', ['-cn', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  execFileSync('setfacl', ['-m', 'u:1234:r', file])
  const before = aclOf(file)

  await updateFile(file, async () => '{}')
  t.match(before, 'user:1234:r')
  t.equal(aclOf(file), before)
  t.equal(await readFile(file, 'utf8'), '{}')
  t.strictSame(await readdir(folder), ['users.json'])
})

t.test('a default access control list of the folder gives nobody a right to a file that had none', withAcl, async t => {
  const { folder, file } = await makeFile(t)
  execFileSync('setfacl', ['-d', '-m', 'u:1234:rw', folder])

  await updateFile(file, async () => '{ "a": "something longer than before" }')
  t.notMatch(execFileSync('getfacl', ['-cnp', file], { encoding: 'utf8' }), '1234')
  t.equal(await readFile(file, 'utf8'), '{ "a": "something longer than before" }')
  t.strictSame(await readdir(folder), ['users.json'])
})

t.test('extended attributes stay', withAttributes, async t => {
  const { folder, file } = await makeFile(t)
  const attributesOf = (path: string): string => execFileSync('getfattr', ['-d', '-m', '-', '--absolute-names', path], { encoding: 'utf8' })
  const names = ['user.origin', ...isRoot ? ['security.label', 'trusted.note'] : []]
  for (const name of names) execFileSync('setfattr', ['-n', name, '-v', 'operators', file])
  const before = attributesOf(file)

  await updateFile(file, async () => '{}')
  for (const name of names) t.match(before, `${name}="operators"`)
  t.equal(attributesOf(file), before)
  t.equal(await readFile(file, 'utf8'), '{}')
  t.strictSame(await readdir(folder), ['users.json'])
})

t.test('a file is written in place where cp cannot copy attributes', async t => {
  const { folder, file } = await makeFile(t)
  const { ino } = await stat(file)
  for (const cp of ['#!/bin/sh\nexit 1\n', null]) {
    await mkdir(join(folder, 'bin'), { recursive: true })
    await rm(join(folder, 'bin', 'cp'), { force: true })
    if (cp !== null) await writeFile(join(folder, 'bin', 'cp'), cp, { mode: 0o755 })

    t.equal(await run(process.execPath, script(file, `{ "a": ${cp?.length ?? 0} }`), { env: { PATH: join(folder, 'bin') } }), 'written')
    t.equal(await readFile(file, 'utf8'), `{ "a": ${cp?.length ?? 0} }`)
    t.equal((await stat(file)).ino, ino)
  }
  t.strictSame((await readdir(folder)).sort(), ['bin', 'users.json'])
})

t.test('a link that is put in the place of the new file gives no file the rights of the users file', async t => {
  const { folder, file } = await makeFile(t, { mode: 0o666 })
  const victim = join(folder, 'victim')
  await writeFile(victim, 'secret', { mode: 0o600 })
  await mkdir(join(folder, 'bin'))
  await writeFile(join(folder, 'bin', 'cp'), `#!/bin/sh\nln -sf ${victim} ${file}.lock\nPATH=${process.env.PATH!} exec cp "$@"\n`, { mode: 0o755 })

  await run(process.execPath, script(file, '{}'), { env: { PATH: `${join(folder, 'bin')}:${process.env.PATH!}` } })
  t.equal((await rightsOf(victim)).mode, 0o600)
  t.equal(await readFile(victim, 'utf8'), 'secret')
})

t.test('a file with two names stays one file', async t => {
  const { folder, file } = await makeFile(t)
  await link(file, join(folder, 'other.json'))

  for (const text of ['{}', '{ "a": "something longer than before" }', '1']) {
    await updateFile(file, async () => text)
    t.equal(await readFile(join(folder, 'other.json'), 'utf8'), text)
    t.equal((await stat(file)).nlink, 2)
  }
})

t.test('a link stays a link, and a link that leads nowhere is refused', async t => {
  const { folder, file } = await makeFile(t)
  await mkdir(join(folder, 'etc'))
  await symlink('../users.json', join(folder, 'etc', 'link.json'))
  await symlink('nowhere.json', join(folder, 'dangling.json'))

  await updateFile(join(folder, 'etc', 'link.json'), async () => '{}')
  t.equal(await readFile(file, 'utf8'), '{}')
  t.strictSame(await readdir(join(folder, 'etc')), ['link.json'])
  await t.rejects(updateFile(join(folder, 'dangling.json'), async () => '{}'), { code: 'PTC_ERR_CONFIG_INVALID', message: /dangling\.json: is a link to a file that is not there; make that file, or remove the link$/ })
})

t.test('a directory, a pipe and a device are refused', { timeout: 10_000 }, async t => {
  const folder = t.testdir({ directory: {} })
  execFileSync('mkfifo', [join(folder, 'pipe')])

  for (const [file, what] of [[join(folder, 'directory'), 'a directory'], [join(folder, 'pipe'), 'no regular file'], ['/dev/null', 'no regular file']] as const) {
    await t.rejects(updateFile(file, async () => '{}'), { code: 'PTC_ERR_CONFIG_INVALID', message: `${file}: is ${what}; name a file` })
  }
})

t.test('two editors at once lose nothing of each other', async t => {
  const { folder, file } = await makeFile(t, { text: '[]' })

  await Promise.all(Array.from({ length: 10 }, async (_, number) => {
    await updateFile(file, async () => JSON.stringify([...JSON.parse(await readFile(file, 'utf8')) as number[], number]))
  }))
  t.strictSame((JSON.parse(await readFile(file, 'utf8')) as number[]).sort((one, other) => one - other), Array.from({ length: 10 }, (_, number) => number))
  t.strictSame(await readdir(folder), ['users.json'])
})

t.test('what another program writes meanwhile is read before it is replaced', async t => {
  const { file } = await makeFile(t, { text: '[]' })
  let runs = 0

  await updateFile(file, async () => {
    const list = JSON.parse(await readFile(file, 'utf8')) as string[]
    if (runs++ === 0) await writeFile(file, '["an editor\'s"]')
    return JSON.stringify([...list, 'ours'])
  })
  t.equal(await readFile(file, 'utf8'), '["an editor\'s","ours"]')
  await t.rejects(updateFile(file, async () => {
    await writeFile(file, `[${runs++}]`)
    return '[]'
  }), { message: /is changed by another program again and again/ })
})

t.test('an editor that has died is named, and what it left is not touched', async t => {
  const { folder, file } = await makeFile(t)
  await writeFile(join(folder, 'users.json.lock'), '')

  await t.rejects(updateFile(file, async () => '{}', { lockWaitMs: 50 }), { code: 'PTC_ERR_CONFIG_INVALID', message: `${file}: is being edited, says ${file}.lock; if no other portcullis is at work, remove that file and try again` })
  t.strictSame((await readdir(folder)).sort(), ['users.json', 'users.json.lock'])
})

t.test('an update that fails or has nothing to do leaves the file and its folder as they were', async t => {
  const { folder, file } = await makeFile(t)
  const before = await stat(file)

  await updateFile(file, async () => null)
  await t.rejects(updateFile(file, async () => { throw new Error('no') }), { message: 'no' })
  t.equal((await stat(file)).ino, before.ino)
  t.strictSame(await readdir(folder), ['users.json'])
})

/** Runs in a process of another user, or among mounts of its own; resolves to what it printed. */
async function run (command: string, args: string[], options: { uid?: number, gid?: number, env?: NodeJS.ProcessEnv } = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, options)
  return stdout.trim()
}

const script = (file: string, text: string) => ['--input-type=module', '-e', `
  import { updateFile } from ${JSON.stringify(join(import.meta.dirname, '..', '..', 'users', 'update-file.ts'))}
  await updateFile(${JSON.stringify(file)}, async () => ${JSON.stringify(text)}).then(() => console.log('written'), error => console.log(error.message))
`]

t.test('who may write the file alone writes it in place, and who may not is told who can', asRoot, async t => {
  const { folder, file } = await makeFile(t, { mode: 0o660 })
  await chown(file, 1234, 2345)
  await chmod(folder, 0o755)

  t.equal(await run(process.execPath, script(file, '{ "a": "something longer than before" }'), { uid: 5678, gid: 2345 }), 'written')
  t.equal(await readFile(file, 'utf8'), '{ "a": "something longer than before" }')
  t.strictSame(await rightsOf(file), { uid: 1234, gid: 2345, mode: 0o660 })
  t.equal(await run(process.execPath, script(file, '{}'), { uid: 5678, gid: 5678 }), `${file}: cannot be written (EACCES); run this as root or as the owner of the file (uid 1234)`)
  t.equal(await readFile(file, 'utf8'), '{ "a": "something longer than before" }')
})

const canMount = isRoot && spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0
const withMounts = canMount ? {} : { skip: 'mounts are not allowed here' }
const inMounts = async (setUp: string, args: string[]) => await run('unshare', ['-m', 'sh', '-c', `${setUp}; "$@"`, 'sh', process.execPath, ...args])

t.test('a file that is mounted by itself, or lies in a folder that is read-only, is written in place', withMounts, async t => {
  const { folder, file } = await makeFile(t)
  await chown(file, 1234, 2345)
  const mounted = join(folder, 'mounted.json')
  await writeFile(mounted, '')

  t.equal(await inMounts(`mount --bind ${file} ${mounted}`, script(mounted, '{ "a": "something longer than before" }')), 'written')
  t.equal(await readFile(file, 'utf8'), '{ "a": "something longer than before" }')
  t.strictSame(await rightsOf(file), { uid: 1234, gid: 2345, mode: 0o640 })

  t.equal(await inMounts(`mount --bind ${folder} ${folder}; mount -o remount,ro,bind ${folder}; mount --bind ${file} ${mounted}; mount -o remount,rw,bind ${mounted}`, script(mounted, '{}')), 'written')
  t.equal(await readFile(file, 'utf8'), '{}')
  t.equal(await inMounts(`mount --bind ${folder} ${folder}; mount -o remount,ro,bind ${folder}`, script(file, '[]')), `${file}: cannot be written (EROFS); check the directory and its permissions`)
  t.equal(await readFile(file, 'utf8'), '{}')
})

t.test('a disk that is full leaves the old content', withMounts, async t => {
  const { folder } = await makeFile(t)
  const long = JSON.stringify({ text: 'x'.repeat(20_000) })
  for (const more of ['', '; ln disk/users.json disk/other.json']) {
    const setUp = `cd ${folder}; mkdir -p disk; mount -t tmpfs -o size=16k none disk; echo '{ "users": [] }' > disk/users.json${more}`
    const [answer, ...content] = (await run('unshare', ['-m', 'sh', '-c', `${setUp}; "$@"; cat disk/users.json; ls disk`, 'sh', process.execPath, ...script(join(folder, 'disk', 'users.json'), long)])).split('\n')
    t.match(answer, /users\.json: cannot be written \(ENOSPC\); make room; the old content is still there$/)
    t.strictSame(content, ['{ "users": [] }', ...more === '' ? [] : ['other.json'], 'users.json'])
  }
})
