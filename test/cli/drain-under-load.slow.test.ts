import t from 'tap'
import { testDrain } from './drain-under-load.ts'

testDrain(t, { rounds: 2 })
