// Loaded before a gateway (--import): at SIGUSR2 its clock goes as far wrong as the file says, in milliseconds.
import { readFileSync } from 'node:fs'

let offsetMs = 0
const RealDate = globalThis.Date

globalThis.Date = class extends RealDate {
  constructor (...given) {
    if (given.length === 0) super(RealDate.now() + offsetMs)
    else super(...given)
  }

  static now () { return RealDate.now() + offsetMs }
}

process.on('SIGUSR2', () => { offsetMs = Number(readFileSync(process.env.CLOCK_FILE, 'utf8')) })
