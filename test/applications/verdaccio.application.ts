import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { createNpmClient, startNpmRegistry } from '../helpers/npm-registry.ts'
import { startBehind } from './behind.ts'

/*
 * npm publishes and installs scoped packages, whose names it sends with an encoded slash (/@scope%2fname), at a Verdaccio registry behind the
 * gateway. The accounts are those of the registry: npm can send no other credential.
 */

t.setTimeout(300_000)

for (const [title, upstream] of Object.entries({
  'at /': { prefix: '/' },
  'under a prefix': { prefix: '/npm', rewritePrefix: '/' }
})) {
  t.test(`npm publishes a scoped package and installs it elsewhere ${title}`, async t => {
    const port = await findClosedPort()
    const behind = await startBehind(t, { ...upstream, target: `http://127.0.0.1:${port}`, access: 'public', authorization: 'keep', paths: 'transparent' })
    const registry = await startNpmRegistry(t, { port, publicUrl: behind.url })
    const [author, user] = [await createNpmClient(t, 'author', behind.url), await createNpmClient(t, 'user', behind.url)]
    const [source, project] = [join(t.testdirName, 'source'), join(t.testdirName, 'project')]
    for (const folder of [source, project]) await mkdir(folder, { recursive: true })
    await writeFile(join(source, 'package.json'), JSON.stringify({ name: '@scope/name', version: '1.0.0', license: 'MIT' }))
    await writeFile(join(source, 'index.js'), 'export default 1\n')
    await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'project', version: '1.0.0' }))

    const run = async (...[client, folder, args, answers]: [typeof author, string, string[], Array<[string, string]>?]): Promise<string> => {
      const { code, stdout, stderr } = await client.run(folder, args, answers)
      t.equal(code, 0, `npm ${args.join(' ')}: ${stderr}`)
      return stdout
    }
    await run(author, source, ['adduser'], [['Username: ', 'grace'], ['Password: ', 'pass phrase of grace'], ['Email (this will be public): ', 'grace@example.com']])
    await run(author, source, ['publish', '--access', 'public'])
    t.match(await run(user, project, ['view', '@scope/name', 'dist.tarball']), `${behind.url}@scope/name/-/name-1.0.0.tgz`)
    await run(user, project, ['install', '@scope/name'])
    t.equal(await readFile(join(project, 'node_modules', '@scope', 'name', 'index.js'), 'utf8'), 'export default 1\n')
    await run(author, source, ['dist-tag', 'add', '@scope/name@1.0.0', 'beta'])
    t.match(await run(user, project, ['dist-tag', 'ls', '@scope/name']), 'beta: 1.0.0')
    await run(author, source, ['unpublish', '--force', '@scope/name'])

    t.ok(registry.requests().some(({ url }) => url === '/@scope%2fname'), 'the registry received the path as npm sent it')
    t.equal(behind.gateway.output.stderr, '')
  })
}
