import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { session } from '../../stores/contract/fixtures.ts'

const run = promisify(execFile)

/** The commands of the section about backups that make one. */
async function documentedBackup (): Promise<string> {
  const text = await readFile(new URL('../../docs/guides/operating.md', import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!).filter(block => block.includes('VACUUM INTO'))
  if (blocks.length !== 1) throw new Error('docs/guides/operating.md has not one backup')
  return blocks[0]!
}

t.test('the documented backup can be made again and again while a gateway runs, is private, and has everything', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-backup-'))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true }) })
  const store = await createSqliteStore({ path: join(folder, 'portcullis.db'), timeoutMs: 60_000 })
  t.teardown(() => store.end())
  const backUp = async (): Promise<void> => { await run('sh', ['-euc', await documentedBackup()], { cwd: folder, env: { PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` } }) }

  const sids: string[] = []
  for (let time = 1; time <= 3; time++) {
    sids.push((await store.open(session({ subject: `user-${time}` }))).record.sid)
    await backUp()
  }

  t.equal((await stat(join(folder, 'backup.db'))).mode & 0o077, 0)
  const restored = await createSqliteStore({ path: join(folder, 'backup.db') })
  t.teardown(() => restored.end())
  for (const sid of sids) t.equal((await restored.read(sid))?.sid, sid)
})
