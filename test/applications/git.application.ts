import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { signInForTokens } from '../helpers/build-gateway.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { makeFolder, run, runWell, startBehind, startNginx, startServer } from './behind.ts'

/*
 * git clones and pushes over smart HTTP through the gateway: nginx starts git-http-backend by fcgiwrap. The credential is a header that
 * git sends with each request (http.extraHeader).
 */

t.setTimeout(300_000)

const megabytes = 40

interface Repositories { url: string, folder: string, call: (cwd: string, args: string[], header: string) => Promise<string> }

/** Starts a git server with an empty repository `project.git`, at `/` or at a path. Whom the gateway named may push. */
async function startRepositories (t: Test, path = ''): Promise<Repositories> {
  const folder = await makeFolder(t)
  const root = join(folder, 'repositories')
  await mkdir(root)
  const call: Repositories['call'] = async (cwd, args, header) => await runWell(t, cwd, ['git', '-c', `http.extraHeader=${header}`, ...args], gitEnv)
  await runWell(t, folder, ['git', 'init', '--quiet', '--bare', '--initial-branch=main', 'repositories/project.git'])
  const socket = await findClosedPort()
  await startServer(t, socket, ['fcgiwrap', '-s', `tcp:127.0.0.1:${socket}`], { env: { PATH: process.env['PATH'] ?? '', HOME: folder } })
  const { url } = await startNginx(t, folder, {
    server: `location ~ ^${path}(?<repository>/.*)$ {
      fastcgi_pass 127.0.0.1:${socket}; fastcgi_request_buffering off; fastcgi_buffering off;
      fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend; fastcgi_param GIT_PROJECT_ROOT ${root}; fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param PATH_INFO $repository; fastcgi_param REQUEST_METHOD $request_method; fastcgi_param QUERY_STRING $query_string;
      fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
      fastcgi_param GIT_PROTOCOL $http_git_protocol; fastcgi_param REMOTE_USER $http_x_auth_subject;
    }`
  })
  return { url, folder, call }
}

const gitEnv = { GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0', GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.com', GIT_COMMITTER_NAME: 'Ada', GIT_COMMITTER_EMAIL: 'ada@example.com' }

for (const [title, { path, upstream }] of Object.entries({
  'at /': { path: '', upstream: { prefix: '/' } },
  'under a prefix that the server knows': { path: '/git', upstream: { prefix: '/git' } },
  'under a prefix that the server does not know': { path: '', upstream: { prefix: '/git', rewritePrefix: '/' } }
})) {
  t.test(`git clones, pushes and fetches ${title}, packs of ${megabytes} MB included`, async t => {
    const { url: target, folder, call } = await startRepositories(t, path)
    const behind = await startBehind(t, { ...upstream, target })
    const remote = `${behind.url}project.git`
    const cookie = `Cookie: ${behind.cookie}`
    const [work, other] = [join(folder, 'work'), join(folder, 'other')]

    await call(folder, ['clone', '--quiet', remote, 'work'], cookie)
    await writeFile(join(work, 'größe; 100%25.txt'), 'one')
    await call(work, ['add', '.'], cookie)
    await call(work, ['commit', '--quiet', '--message', 'one file'], cookie)
    await call(work, ['push', '--quiet', 'origin', 'HEAD:refs/heads/main', 'HEAD:refs/heads/feature/größe'], cookie)

    await writeFile(join(work, 'large.bin'), randomBytes(megabytes * 1024 * 1024))
    await call(work, ['add', '.'], cookie)
    await call(work, ['commit', '--quiet', '--message', 'a large file'], cookie)
    // Without a length: git sends the pack in chunks.
    await call(work, ['push', '--quiet', 'origin', 'HEAD:refs/heads/main'], cookie)

    const { token } = await signInForTokens(behind.origin, 'bob')
    const bearer = `Authorization: Bearer ${token}`
    await call(folder, ['clone', '--quiet', '--branch', 'main', remote, 'other'], bearer)
    await call(other, ['fsck', '--full', '--no-progress'], bearer)
    const head = await call(work, ['rev-parse', 'HEAD'], cookie)
    t.equal(await call(other, ['rev-parse', 'HEAD'], bearer), head)
    t.match(await call(folder, ['ls-remote', '--heads', remote], bearer), 'refs/heads/feature/größe')
    await call(other, ['commit', '--quiet', '--allow-empty', '--message', 'from elsewhere'], bearer)
    await call(other, ['push', '--quiet', 'origin', 'main'], bearer)
    await call(work, ['fetch', '--quiet', 'origin'], cookie)
    t.equal(await call(work, ['rev-parse', 'origin/main'], cookie), await call(other, ['rev-parse', 'HEAD'], bearer))

    const refused = await run(folder, ['git', 'ls-remote', remote], gitEnv)
    t.equal(refused.code, 128)
    t.match(refused.stderr, 'could not read Username', 'without a credential the answer is 401')
    t.equal(behind.gateway.output.stderr, '')
  })
}
