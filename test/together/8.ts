import { runTogether } from '../helpers/together.ts'

runTogether(import.meta.filename)
