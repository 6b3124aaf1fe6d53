import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeFolder, run, runWell, startBehind, startNginx, type Behind, type Nginx } from './behind.ts'

/*
 * rclone uses a WebDAV server of nginx (dav and dav-ext) through the gateway: it lists, copies, moves and deletes files whose names two
 * parsers could read differently. The session cookie travels as a header of rclone.
 */

t.setTimeout(300_000)

const names = ['100% off.txt', '100%25 off.txt', 'a;b.txt', 'a#b.txt', 'größe.txt', '100%2Foff.txt', 'a?b=c&d.txt', 'ünïcödé;x=1/deep#er/f %41.txt', "it's (1) [2] {3}+4.txt"]

const dav = `dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK; dav_ext_lock zone=locks;
  create_full_put_path on; min_delete_depth 0;`

interface Files { server: Nginx, stored: string, folder: string }

/** Starts nginx with a WebDAV folder at `/`, or at a path. */
async function startFiles (t: Test, path = '/'): Promise<Files> {
  const folder = await makeFolder(t)
  const stored = join(folder, 'stored')
  await mkdir(stored)
  const server = await startNginx(t, folder, {
    main: 'load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;',
    http: 'dav_ext_lock_zone zone=locks:1m;',
    server: `location ${path} { ${path === '/' ? `root ${stored};` : `alias ${stored}/;`} ${dav} }`
  })
  return { server, stored, folder }
}

function rclone (...args: string[]): [string, ...string[]] {
  return ['rclone', '--config', '', '--retries', '1', '--low-level-retries', '1', ...args]
}

/** The environment in which rclone finds the application as the remote `files:`. */
function remote ({ url, cookie }: Behind): Record<string, string> {
  return { RCLONE_CONFIG_FILES_TYPE: 'webdav', RCLONE_CONFIG_FILES_URL: url, RCLONE_CONFIG_FILES_VENDOR: 'other', RCLONE_CONFIG_FILES_HEADERS: `"Cookie","${cookie}"` }
}

async function filesBelow (folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())
  return Object.fromEntries(await Promise.all(files.map(async ({ parentPath, name }) => [join(parentPath, name).slice(folder.length + 1), await readFile(join(parentPath, name), 'base64')] as const)))
}

async function writeNames (folder: string): Promise<string> {
  const local = join(folder, 'local')
  for (const name of names) {
    await mkdir(join(local, name, '..'), { recursive: true })
    await writeFile(join(local, name), `the content of ${name}`)
  }
  await writeFile(join(local, 'large.bin'), randomBytes(20 * 1024 * 1024))
  return local
}

for (const [title, { path, upstream }] of Object.entries({
  'at /': { path: '/', upstream: { prefix: '/' } },
  'under a prefix that nginx knows': { path: '/dav/', upstream: { prefix: '/dav' } }
})) {
  t.test(`rclone copies, lists, moves and deletes files with odd names ${title}`, async t => {
    const files = await startFiles(t, path)
    const behind = await startBehind(t, { ...upstream, target: files.server.url, paths: 'transparent' })
    const call = async (...args: string[]): Promise<string> => await runWell(t, files.folder, rclone(...args), remote(behind))
    const local = await writeNames(files.folder)

    await call('copy', local, 'files:copied')
    t.same(await filesBelow(join(files.stored, 'copied')), await filesBelow(local), 'they arrive byte for byte')
    t.same((await call('lsf', '--recursive', '--files-only', 'files:copied')).trim().split('\n').sort(), [...names, 'large.bin'].sort())
    await call('check', '--download', local, 'files:copied')

    await call('copy', 'files:copied', join(files.folder, 'back'))
    t.same(await filesBelow(join(files.folder, 'back')), await filesBelow(local), 'they return byte for byte')

    for (const name of names) await call('moveto', `files:copied/${name}`, `files:moved #;%2F/${name}.moved`)
    await call('copyto', 'files:copied/large.bin', 'files:copied/100%25;large.bin')
    const moved = await filesBelow(join(files.stored, 'moved #;%2F'))
    t.same(Object.keys(moved).sort(), names.map(name => `${name}.moved`).sort(), 'the server moved them')
    t.same(Object.keys(await filesBelow(join(files.stored, 'copied'))).sort(), ['100%25;large.bin', 'large.bin'])

    await call('purge', 'files:moved #;%2F')
    t.same(await readdir(files.stored), ['copied'])
    t.equal(behind.gateway.output.stderr, '')
  })
}

t.test('under a prefix that nginx does not know, files are written and moved, and listings name paths without the prefix', async t => {
  const files = await startFiles(t)
  const behind = await startBehind(t, { prefix: '/dav', rewritePrefix: '/', target: files.server.url, paths: 'transparent' })
  const headers = { cookie: behind.cookie }
  const request = async (method: string, path: string, more: Record<string, string> = {}, body?: string): Promise<Response> => await fetch(`${behind.url}${path}`, { method, headers: { ...headers, ...more }, ...body === undefined ? {} : { body } })

  t.equal((await request('PUT', '100%2525%20off.txt', {}, 'half')).status, 201)
  t.equal((await request('MOVE', '100%2525%20off.txt', { destination: `${behind.url}a;b.txt` })).status, 204)
  t.same(await readdir(files.stored), ['a;b.txt'])
  t.equal(await (await request('GET', 'a;b.txt')).text(), 'half')
  const listing = await (await request('PROPFIND', '', { depth: '1' })).text()
  t.match(listing, '<D:href>/a;b.txt</D:href>', 'the body of a response is not rewritten')
})

t.test('without paths: transparent, the gateway refuses the names that contain an encoded percent sign and digits, or a semicolon', async t => {
  const files = await startFiles(t)
  const behind = await startBehind(t, { prefix: '/', target: files.server.url })
  const local = await writeNames(files.folder)

  const { code, stderr } = await run(files.folder, rclone('copy', local, 'files:'), remote(behind))
  t.not(code, 0)
  t.match(stderr, '400 Bad Request')
  t.same(Object.keys(await filesBelow(files.stored)).sort(), ['100% off.txt', 'a#b.txt', 'a?b=c&d.txt', "it's (1) [2] {3}+4.txt", 'größe.txt', 'large.bin'].sort())
})
