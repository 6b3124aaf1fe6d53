import t from 'tap'
import { foldAccount } from '../../../plugins/rate-limit/account.ts'

t.test('spellings that a directory may take for one account are one', async t => {
  const spellings = [
    'Zoë Straße', 'zoë straße', 'ZOË STRASSE', 'ｚｏｅ\u0308 ｓｔｒａｓｓｅ', 'Zoe Strasse',
    ' Zoë Straße\t', 'Zoë  Straße', 'Zoë\u00a0Straße', 'Zoë\u3000Straße', 'Zoë \u200b Straße', 'Zoë\r\nStraße',
    'Zo\u200bë Straße', '\ufeffZoë Straße', 'Zoë\u00ad Straße', 'Zoë\u2060 Straße', 'Zo\u0000ë Straße', 'Zoë\u007f Straße', 'Zoë\u202e Straße',
    'Zo\u180eë Straße', 'Zo\u3164ë Straße', 'Zo\u034fë Straße', 'Zoë\ufe0f Straße', 'Zoë\u{e0041} Straße', 'Zoë\u{e000} Straße', 'Zoë\ud800 Straße', 'Zoë\u0378 Straße', 'zoë ſtraße'
  ]
  for (const spelling of spellings) t.equal(foldAccount(spelling), 'zoe strasse', JSON.stringify(spelling))
  for (const spelling of ['ısıl', 'İSİL', 'isil']) t.equal(foldAccount(spelling), 'isil')
  t.equal(foldAccount('ΌΣΟΣ'), foldAccount('όσος'))
})

t.test('names that differ in letters stay apart', async t => {
  const names = ['ada', 'bob', 'adab', 'ad a', 'a.da', 'a-da', 'ada1', 'किरण', 'कोरण', 'かき', 'がき', '山田', '山口', 'u|ada']
  t.equal(new Set(names.map(foldAccount)).size, names.length)
})

t.test('a name beyond all bounds costs no more than a long one', async t => {
  t.equal(foldAccount('\ufdfa'.repeat(1_000_000)), foldAccount('\ufdfa'.repeat(1024)))
})

t.test('marks that databases ignore make no other account', async t => {
  for (const mark of ['\u20dd', '\u1dc4', '\u1ab0', '\ufe20', '\u0483']) t.equal(foldAccount(`alice${mark}`), foldAccount('alice'), encodeURI(mark))
})
