import t from 'tap'
import { testDrain } from './drain-under-load.ts'

// Several processes take long to start.
testDrain(t, { args: ['--workers', '2'], rounds: 1 })
