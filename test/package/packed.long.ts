import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import t from 'tap'
import { sinceNode } from '../../lib/node-version.ts'
import { sinceFastify } from '../../plugins/server/access-log.ts'

/* The packed package is installed as applications install it, in folders outside of this project, whose packages would be found otherwise. */
const root = join(import.meta.dirname, '..', '..')
const application = join(import.meta.dirname, 'application.mjs')
const { devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> }
const outside = await mkdtemp(join(tmpdir(), 'portcullis-install-'))
t.teardown(async () => await rm(outside, { recursive: true, force: true }))
const { stdout: packed } = await run('npm', ['pack', '--silent', '--pack-destination', outside], root)
const tarball = join(outside, packed.trim().split('\n').at(-1)!)
const oldNode = join(await install('node', [`node@${sinceNode.plugins}`]), 'node_modules', '.bin', 'node')
const works = 'open 200, revoked 401 PTC_ERR_SESSION_INVALID\n'

interface Ran { code: number, stdout: string, stderr: string }

async function run (command: string, args: string[], cwd: string, env: Record<string, string> = {}): Promise<Ran> {
  return await new Promise(resolve => {
    execFile(command, args, { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => { resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }) })
  })
}

/** Installs packages into an empty folder with the oldest Node, once it is installed itself. Throws if npm warns. */
async function install (name: string, packages: string[]): Promise<string> {
  const folder = join(outside, name)
  await mkdir(folder)
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  const path = name === 'node' ? {} : { PATH: `${dirname(oldNode)}${delimiter}${process.env['PATH'] ?? ''}` }
  const { code, stdout, stderr } = await run('npm', ['install', '--no-audit', '--no-fund', ...packages], folder, path)
  if (code !== 0 || stderr.includes('EBADENGINE   package: \'portcullis')) throw new Error(`npm install ${packages.join(' ')}: ${stdout}${stderr}`)
  await cp(application, join(folder, 'application.js'))
  return folder
}

async function sizeOf (folder: string): Promise<{ packages: number, megabytes: number }> {
  const { packages } = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as { packages: object }
  const entries = await readdir(join(folder, 'node_modules'), { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(entries.filter(entry => entry.isFile()).map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size))
  return { packages: Object.keys(packages).length - 1, megabytes: sizes.reduce((sum, size) => sum + size, 0) / 1e6 }
}

for (const fastify of ['5.0.0', devDependencies['fastify']!]) {
  t.test(`an application with fastify ${fastify} is light, and runs on the oldest Node and on this one`, async t => {
    const folder = await install(`fastify-${fastify.replace('^', '')}`, [tarball, `fastify@${fastify}`])

    const { packages, megabytes } = await sizeOf(folder)

    t.ok(packages <= 70, `${packages} packages`)
    t.ok(megabytes <= 22, `${megabytes} MB`)
    for (const node of [oldNode, process.execPath]) t.equal((await run(node, ['application.js'], folder)).stdout, works)
  })
}

t.test('what is missing or too old is said in one line', async t => {
  const folder = join(outside, 'fastify-5.0.0')

  t.equal((await run(process.execPath, ['application.js', 'redis', 'metrics', 'server'], folder)).stdout, `${works}portcullis-store with type redis needs ioredis: npm install ioredis @fastify/redis @fastify/rate-limit
portcullis-metrics needs prom-client: npm install prom-client
serverOptions needs fastify ${sinceFastify} or newer: npm install fastify@5
`)
  t.equal((await run(oldNode, ['application.js', 'server'], folder)).stdout, `${works}serverOptions needs Node 24.9 or newer; this is Node ${sinceNode.plugins}\n`)
  t.same(await run(oldNode, ['node_modules/.bin/portcullis', '--version'], folder), { code: 1, stdout: '', stderr: `portcullis needs Node 24.9 or newer; this is Node ${sinceNode.plugins}\n` })
})

t.test('serverOptions takes the Fastify that it names', async t => {
  const folder = await install('server', [tarball, `fastify@${sinceFastify}`])

  t.equal((await run(process.execPath, ['application.js', 'server'], folder)).stdout, `${works}server works: true\n`)
})

const targets = {
  'ES modules, nodenext': { type: 'module', module: 'nodenext' },
  'ES modules, node16': { type: 'module', module: 'node16' },
  'ES modules, bundler': { type: 'module', module: 'esnext', moduleResolution: 'bundler' },
  'CommonJS, nodenext': { type: 'commonjs', module: 'nodenext' },
  'CommonJS, node10': { type: 'commonjs', module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true }
}

t.test('TypeScript checks every declaration, and the result runs on the oldest Node', async t => {
  const folder = await install('typescript', [tarball, 'fastify@5.0.0', ...['typescript', '@types/node'].map(name => `${name}@${devDependencies[name]}`)])
  await mkdir(join(folder, 'source'))
  await cp(application, join(folder, 'source', 'application.ts'))

  for (const [title, { type, ...options }] of Object.entries(targets)) {
    await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type }))
    const compilerOptions = { target: 'es2022', strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, types: ['node'], outDir: 'compiled', ...options }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['source/application.ts'] }))

    t.match(await run(join('node_modules', '.bin', 'tsc'), [], folder), { code: 0, stdout: '' }, title)
    t.equal((await run(oldNode, ['compiled/application.js'], folder)).stdout, works, title)
  }
})

t.test('the store of the examples passes the contract of the package under node:test', async t => {
  const folder = await install('contract', [tarball, 'fastify@5'])
  const example = await readFile(join(folder, 'node_modules', 'portcullis', 'examples', 'memory-store.ts'), 'utf8')
  await writeFile(join(folder, 'memory-store.ts'), example.replace('../stores/toolkit.ts', 'portcullis/store'))
  const program = await readFile(join(root, 'test', 'fixtures', 'memory-store-contract.ts'), 'utf8')
  await writeFile(join(folder, 'contract.ts'), program.replace('../../examples/', './').replace('../../stores/contract/contract.ts', 'portcullis/store-contract'))

  const { code, stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', 'contract.ts'], folder)

  t.equal(code, 0, stdout.slice(-2000))
  t.match(stdout, /^# fail 0$/m)
  t.match(stdout, /^# pass [1-9]/m)
})
