import { chown, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readSecretFile, secretBeside } from '../../stores/sqlite/secret-file.ts'
import { learnSecret } from '../helpers/secrets.ts'

t.test('a secret that root makes belongs to the owner of its folder, who alone can read it', process.geteuid!() === 0 ? {} : { skip: 'only root may give files away' }, async t => {
  const folder = t.testdir({})
  await chown(folder, 1234, 2345)
  const database = join(folder, 'store.db')

  const secret = await secretBeside(database)
  learnSecret('a configured secret', secret)
  const { uid, gid, mode } = await stat(`${database}.secret`)
  t.strictSame({ uid, gid, mode: mode & 0o7777 }, { uid: 1234, gid: 2345, mode: 0o600 })
  t.equal(await readSecretFile(`${database}.secret`), secret)
  t.strictSame(await readdir(folder), ['store.db.secret'])
})
