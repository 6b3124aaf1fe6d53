import t from 'tap'
import { checkNewPassword } from '../../users/password-rule.ts'

const names = ['ada.lovelace', 'u-1']

t.test('eight characters of any kind are enough, and fifteen are enough without a warning', async t => {
  for (const password of ['zebra xi', ' 12ab 34', 'žluťoučký', '\u{1F40E}\u{1F50B}\u{1F4CE}\u{1F98A}\u{1F340}\u{1F9CA}\u{1F955}\u{1F680}', 'Ünïcødé?', '73925104']) {
    t.match(checkNewPassword(password, names), /^password: has fewer than 15 characters/, password)
  }
  for (const password of ['a long passphrase', 'correct horse battery staple', 'x'.repeat(512) + 'y'.repeat(512)]) t.equal(checkNewPassword(password, names), null, password)
})

t.test('fewer than eight are refused, however many bytes or marks they are', async t => {
  for (const password of ['x', '1234567', '\u{1F40E}'.repeat(7), 'e\u0301'.repeat(7)]) {
    t.throws(() => checkNewPassword(password, names), { code: 'PTC_ERR_CONFIG_INVALID', message: /^password: must have at least 8 characters/ }, password)
  }
})

t.test('nothing and more than a kilobyte are refused, and so is what no terminal of UTF-8 has sent', async t => {
  for (const password of ['', 'xy'.repeat(513), 'é'.repeat(513)]) t.throws(() => checkNewPassword(password, names), { message: 'password: must be 1 to 1024 bytes; give it on standard input' })
  t.throws(() => checkNewPassword('zebra\uFFFDcrossing', names), { message: /^password: is not UTF-8/ })
})

t.test('what is tried first is refused in every spelling of it', async t => {
  for (const password of [
    'password', 'Password', 'PASSWORD1', 'password123!', 'P@ssw0rd', 'pa55word!!', 'ｐａｓｓｗｏｒｄ', 'pass\u200bword', 'iloveyou', 'qwertyuiop', '!!dragon99', 'trustno1',
    '12345678', '87654321', 'abcdefgh', 'aaaaaaaa', '\u200b'.repeat(9), '0000000000000000',
    'ada.lovelace', 'Ada.Lovelace1815', 'ada.lovelaceada.lovelace', 'portcullis', 'Portcullis2026!', 'p0rtcullis'
  ]) {
    t.throws(() => checkNewPassword(password, names), { code: 'PTC_ERR_CONFIG_INVALID', message: /^password: is one of the first that are tried/ }, password)
  }
})

t.test('a password that merely has a name or a common word in it is taken', async t => {
  for (const password of ['zebra and dragon', 'why ada.lovelace?', 'my portcullis opens']) t.doesNotThrow(() => checkNewPassword(password, names), password)
})

t.test('no refusal repeats the password', async t => {
  for (const password of ['x1z', 'Portcullis2026!', 'y'.repeat(1025)]) {
    try {
      checkNewPassword(password, names)
      t.fail('taken')
    } catch (error) {
      t.notMatch((error as Error).message, password)
    }
  }
})
