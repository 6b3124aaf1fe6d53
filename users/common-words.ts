import { foldAccount } from '../lib/account.ts'

/*
 * Words that users of the largest languages make passwords of, with the names of sites: "password", "secret", "love", "I love you", "darling",
 * "hello" and "welcome", in the script of the language, and as it is written or typed with Latin letters. Source: translated by hand for this
 * project, because the lists of leaked passwords are mostly English and Russian.
 */
const text = `
english: password passphrase passcode passwd pass love lovely iloveyou loveyou darling hello welcome secret default company change changeme changeit
  temporary temp office work home login logon account computer internet server system summer winter spring autumn monday january correcthorsebatterystaple tobeornottobe root toor admin administrator guest test tester demo user username
  name firstname lastname surname myname yourname tinkle twinkle corp corporate inc ltd llc gmbh org net com mail email website
sites: google gmail hotmail outlook yahoo facebook linkedin instagram twitter youtube whatsapp telegram tiktok snapchat netflix amazon microsoft windows apple icloud github adobe dropbox spotify paypal myspace
  baidu taobao weixin wechat vkontakte yandex
seasons: fruhling sommer herbst printemps automne hiver primavera verano otono invierno estate autunno inverno verao outono lente zomer herfst
  sommar vinter forar wiosna jesien весна лето осень зима musim
chinese: 密码 密碼 口令 我的密码 我爱你 我愛你 爱你 你好 宝贝 亲爱的 mima wodemima woaini aini woaiwojia nihao baobei qinaide laopo laogong
hindi, urdu, marathi: पासवर्ड गुप्त प्यार नमस्ते प्रेम पाससवर्ड پاس‌ورڈ پاسورڈ محبت پیار pasavard pasword pyar pyaar mohabbat namaste jaan jaanu prem maitumsepyarkartahoon
spanish: contraseña contrasenia clave secreto amor teamo tequiero miamor corazon cariño hola bienvenido mimamamemima estrella mivida
french: motdepasse mdp secret amour jetaime jtaime cheri cherie chouchou doudou bonjour bienvenue soleil loulou coucou
arabic: كلمةالسر كلمةالمرور سري حب احبك بحبك حبيبي حبيبتي مرحبا السلام kalimatalsir kalimatalmurur habibi habibti ahebak bahebak bahebek marhaba
bengali: পাসওয়ার্ড গোপন ভালোবাসা ভালোবাসি আমিতোমাকেভালোবাসি bhalobasha bhalobashi valobasi valobasha amitomakevalobasi
portuguese: senha minhasenha palavrapasse segredo amor teamo euteamo meuamor querida querido bemvindo ola
russian, ukrainian, bulgarian: пароль парол парола секрет любовь любимая люблю ятебялюблю люблютебя привет солнышко кохання кохаю обичамте parol lubov lyubov lublu privet йцукен пассворд пасворд пассфраза админ логин пользователь parolj gfhjkm
indonesian, malay: katasandi sandi katalaluan rahasia cinta akucintakamu akusayangkamu sayang sayangku halo selamatdatang
german: passwort kennwort geheim geheimnis liebe ichliebedich schatz schatzi liebling hallo willkommen
japanese: パスワード あいことば 秘密 大好き だいすき 愛してる あいしてる こんにちは pasuwado himitsu daisuki aishiteru konnichiwa sakura
korean: 비밀번호 패스워드 암호 비밀 사랑 사랑해 안녕 안녕하세요 bimilbeonho saranghae saranghaeyo annyeong tkfkd tkfkdgo qlalfqjsgh dkssud
vietnamese: mậtkhẩu bímật tìnhyêu anhyêuem emyêuanh xinchào matkhau
turkish: şifre parola gizli aşk aşkım sevgilim seniseviyorum merhaba hoşgeldin canım
telugu, tamil: పాస్‌వర్డ్ ప్రేమ கடவுச்சொல் காதல் அன்பு prema kadhal kadavuchol vanakkam
italian: parola parolachiave segreto amore tiamo amoremio ciao benvenuto tesoro
polish, czech, slovak: hasło tajne sekret miłość kocham kochamcie kochanie misiek witaj heslo tajne láska miluji milujite lúbimta ahoj
persian: رمزعبور گذرواژه رمز عشق دوستتدارم سلام ramz ramzobur eshgh asheghetam dooset salam
thai: รหัสผ่าน ความลับ รัก ฉันรักคุณ ฉันรักเธอ สวัสดี
swahili, tagalog: nenosiri siri upendo nakupenda karibu mahal mahalkita mahalko
dutch, danish, norwegian, swedish, finnish: wachtwoord geheim liefde schatje ikhouvanjou hallo welkom adgangskode kodeord passord lösenord hemmelig kærlighed kjærlighet kärlek
  jegelskerdig jegelskerdeg jagälskardig elsker velkommen välkommen salasana rakkaus rakastan rakastansinua
romanian, hungarian, greek, croatian, hebrew: parolă iubire dragoste teiubesc jelszó szerelem szeretlek κωδικός αγάπη σαγαπώ kwdikos agapi sagapo lozinka zaporka šifra ljubav volimte סיסמה סיסמא אהבה
`

/** The languages whose names of months and days are words of guesses. */
const locales = ['en', 'de', 'fr', 'es', 'pt', 'it', 'nl', 'sv', 'da', 'nb', 'fi', 'pl', 'cs', 'ru', 'uk', 'tr', 'id', 'ro', 'hu', 'el', 'vi', 'ar', 'fa', 'hi', 'bn', 'sw']

/** Returns the months and days of a language, as they stand alone and as they stand in a date. */
function calendarOf (locale: string): string[] {
  const named = (options: Intl.DateTimeFormatOptions, name: 'month' | 'weekday', count: number): string[] => {
    const format = new Intl.DateTimeFormat(locale, { ...options, calendar: 'gregory', timeZone: 'UTC' })
    const instants = Array.from({ length: count }, (_, index) => name === 'month' ? Date.UTC(2026, index, 1) : Date.UTC(2026, 0, index + 1))
    return instants.map(instant => format.formatToParts(instant).find(({ type }) => type === name)?.value ?? '')
  }
  return [...named({ month: 'long' }, 'month', 12), ...named({ day: 'numeric', month: 'long' }, 'month', 12), ...named({ weekday: 'long' }, 'weekday', 7)]
}

/** Words that stand before, between and after others in guesses. */
const small = 'a i im me my you your we our it is am are be to in on of for and the this that now new old one mi mein mon meu moj'

const calendar = locales.flatMap(calendarOf).map(name => name.replaceAll(/[^\p{L}\p{M}]+/gu, '')).filter(name => name.length > 2)

export const commonWords: ReadonlySet<string> = new Set([...text.replaceAll(/^[a-z, ]+:/gm, '').trim().split(/\s+/), ...calendar].map(foldAccount))

export const smallWords: readonly string[] = small.split(' ')
