import t from 'tap'
import { commonPasswords } from '../../users/common-passwords.ts'
import { checkNewPassword } from '../../users/password-rule.ts'

const names = ['ada.lovelace', 'u-1']

t.test('eight characters of any kind are enough, and fifteen are enough without a warning', async t => {
  for (const password of ['zebra xi', ' 12ab 34', 'žluťoučký', '\u{1F40E}\u{1F50B}\u{1F4CE}\u{1F98A}\u{1F340}\u{1F9CA}\u{1F955}\u{1F680}', 'Ünïcødé?', '73925104']) {
    t.match(checkNewPassword(password, names), /^password: has fewer than 15 characters/, password)
  }
  for (const password of ['a long passphrase', 'correct zebra battery staple', 'zebra crossing '.repeat(63) + 'with a penguin']) t.equal(checkNewPassword(password, names), null, password)
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

const alice = ['alice.smith', 'José', 'Ada Lovelace', 'bob@example.com', 'employee-73925104']

const guesses: Record<string, string[]> = {
  'a repetition': ['passwordpassword', 'password password', 'Passw0rd!Passw0rd!', 'dr4g0n dr4g0n', 'iloveyou, iloveyou', '12341234', '12-34-12-34', 'abcabcabc', 'abcabcab', 'xkqzxkqz', 'zebraxi zebraxi', 'password'.repeat(128), 'bobbobbob', '7392510473925104'],
  'few sequences': ['aaaabbbb', 'aabbccdd', 'aaaabbbbcccc', 'abcd1234', '1234dcba', 'qwer1234', '12345678!!', '!@#$%^&*', '1!2@3#4$5%6^', 'x'.repeat(512) + 'y'.repeat(512)],
  'separators between the letters': ['p.a.s.s.w.o.r.d', 'p a s s w o r d', 'p-a_s.s w+o/r:d', 'pass.word', 'p4a4s4s4w4o4r4d', '01011990!'],
  'signs for letters': ['portcu11is', 'portcul1is', 'p0rtcu||!s', 'P@$$w0rd', 'p.4.s.s.w.0.r.d', 'p.@.s.s.w.0.r.d', 'l3tm31n!!', 'dra60n99', 'dra90n99'],
  'other spellings': ['drowssap', 'drowssap1', 'ppaasswwoorrdd', 'passsword', 'pässwörd', 'passwørd'],
  'something guessed around it': ['passwordabc', 'abcpassword123', 'qwertypassword', 'password!!!!!!!!', 'password12345678', 'alicepassword1', 'aliceportcullis'],
  'another common word': ['monkeydragon', 'passworddragon', 'dragon monkey', 'Monkey-Dragon!', 'monkey12dragon34', 'nogardyeknom', 'm0nk3ydr4g0n', 'sunshineprincess', 'alicemonkeydragon', 'default1', 'company2026', 'Company2026!', 'summer2026', 'winterwelcome'],
  'small words': ['newpassword', 'letmeinnow', 'thisismypassword', 'this is my password', 'my new password 1', 'iamalice', 'password4me', 'themonkeyandthedragon', 'correcthorsebatterystaple', 'correct horse battery staple'],
  'words of other languages': [
    'пароль123', 'ПАРОЛЬ123', 'йцукен12', 'люблютебя', 'ятебялюблю1', 'кохання1', '密码123456', '我爱你12345', 'woaini1314', 'woaini520', 'mima1234', 'पासवर्ड123', 'contraseña', 'Contraseña1', 'contrasena', 'teamo123', 'tequiero', 'mimamamemima', 'motdepasse', 'jetaime1',
    'doudou12', 'كلمة السر', 'حبيبي123', 'habibi123', 'পাসওয়ার্ড', 'bhalobashi', 'senha123', 'minhasenha', 'euteamo1', 'katasandi', 'sayangku', 'passwort1', 'schatz12', 'ichliebedich', 'パスワード123', 'あいしてる123', 'aishiteru', '비밀번호1234', '사랑해12345', 'saranghae', 'mậtkhẩu1', 'matkhau1', 'anhyeuem', 'şifre123', 'sifre123', 'aşkım123', 'askim123', 'seniseviyorum',
    'parola12', 'tiamo123', 'haslo123', 'hasło123', 'kochanie', 'رمز عبور', 'รหัสผ่าน', 'nenosiri', 'mahalkita', 'wachtwoord', 'passord123', 'lösenord', 'losenord1', 'salasana', 'κωδικός1', 'szeretlek', 'סיסמה123'
  ],
  'a row of another keyboard': ['йцукенгш', 'ЙЦУКЕНГШЩ', 'фывапролдж', 'ячсмитьбю', '1йфя2цыч', 'йцукенфыва', 'ςερτυθιοπ', 'ασδφγηξκλ', 'שדגכעיחל', 'ضصثقفغعه', 'شسیبلاتن', 'ㅂㅈㄷㄱㅅㅛㅕㅑ', 'qwertzuiop', 'azertyuiop', 'qsdfghjk', '&é"\'(-è_'],
  'a date': ['19900101', '31121999', '12311999', '20260117', '1990-01-01', '01.01.1990', '1990/12/31!', '13700101', '25331231', '19901301'],
  'a known number': ['27182818', '3141592654', '31415926535', '14142135', '16180339', '1123581321', '2357111317', '5201314520', '13145201314', '520520520'],
  'letters that look like others': ['раssword1', 'pаsswоrd', 'аdmіn1234', 'drаgоn99', 'ρassword', 'ραssωord', 'аlісеsmith1', 'рortcullis'],
  'months, days and seasons': ['Januar2026', 'januari1', 'Montag2026', 'fevrier1', 'Février2026', 'janvier2026!', 'enero2026', 'lunes2026', 'gennaio1', 'janeiro26', 'понедельник1', 'январь2026', 'января2026', 'Sommer2026', 'verano2026', 'ocak2026!', 'ιανουαρίου1'],
  'more common words': ['пассворд', 'linkedin1', 'lastname1', 'toor1234', 'root1234', 'tinkle12', 'tobeornottobe', 'To be or not to be', 'alice@corp', 'alice@gmail.com', 'admin@corp1', 'gfhjkm12'],
  'a name': ['alicesmith1', 'Alice Smith', 'smith.alice', 'smithalice1990', 'asmith1990', 'alices99', 'alice20011231', 'al1c3sm1th', 'htimsecila', 'adalovelace1815', 'jose12345', 'José 12345', 'JOSE\u03011234', 'bob.example', '73925104', '73925104!', 'employee-73925104']
}

for (const [kind, passwords] of Object.entries(guesses)) {
  t.test(`a password that is tried first is refused with ${kind}`, async t => {
    for (const password of passwords) t.throws(() => checkNewPassword(password, alice), { message: /^password: is one of the first that are tried/ }, password)
  })
}

t.test('a name is refused without its marks, and a password is refused without the marks of a name', async t => {
  for (const [name, password] of [['Bjørn Łukasz', 'bjornlukasz1'], ['Bjorn', 'bjørn1234'], ['aliceSmith', 'smith.alice'], ['Æther', 'aether99'], ['やまだたろう', 'ヤマダタロウ12']] as const) {
    t.throws(() => checkNewPassword(password, [name]), { message: /^password: is one of the first/ }, password)
  }
})

t.test('four different words are never refused, however common each of them is', async t => {
  // Neighbouring keys and the name of the user are no words here.
  const words = [...commonPasswords].filter(word => /^[a-z]{4,}$/.test(word) && !/qwe|asd|zxc|alice/.test(word))
  const steps = [1, 7, 1999, 3301]
  for (let start = 0; start < words.length; start += 5) {
    const phrase = steps.map((step, index) => words[(start * step + index * 577) % words.length]!)
    if (new Set(phrase).size < phrase.length) continue
    for (const separator of ['', ' ', '-']) t.equal(checkNewPassword(phrase.join(separator), alice), null, phrase.join(separator))
  }
})

t.test('a password that merely has a name or a common word in it is taken', async t => {
  const others = ['синий кит поёт', 'жираф ест мёд', 'γαλάζια φάλαινα', 'der Januar war kalt', 'im Sommer ans Meer', '73925104', '20269871', 'tobeornottobee giraffe', 'root canal treatment', 'passwordgiraffe', 'open-the-gate', 'alice likes tea', 'dragon73925104826', '7a3b9c2d5e', 'tR7#kq9!', '8fK2-qLx9', '\u{1F40E}\u{1F50B}\u{1F4CE}\u{1F98A}\u{1F340}\u{1F9CA}\u{1F955}a', '73925104']
  for (const password of ['zebra and dragon', 'why ada.lovelace?', 'my portcullis opens', ...others]) t.doesNotThrow(() => checkNewPassword(password, names), password)
})

t.test('a kilobyte that is hard to read is judged as well', async t => {
  for (const password of ['abc'.repeat(341) + 'x', '!1il7t'.repeat(170) + 'q', 'alice'.repeat(204) + 'zx', 'ilovey'.repeat(170) + 'zq']) t.equal(checkNewPassword(password, alice), null, password.slice(0, 12))
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
