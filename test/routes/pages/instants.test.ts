import t from 'tap'
import { ago, inWords, waiting } from '../../../routes/pages/instants.ts'

t.test('how long ago something was is told in one unit, rounded down', t => {
  for (const [seconds, words] of [[-5, 'just now'], [0, 'just now'], [59, 'just now'], [60, '1 minute ago'], [3599, '59 minutes ago'], [3600, '1 hour ago'], [86_399, '23 hours ago'], [200_000, '2 days ago']] as const) t.equal(ago(seconds), words)
  t.end()
})

t.test('an instant says its time zone', t => {
  t.equal(inWords(1_760_000_000), '9 Oct 2025, 08:53 UTC')
  t.end()
})

t.test('a waiting time is never less than it takes', t => {
  for (const [seconds, words] of [[0, '1 second'], [1, '1 second'], [36.2, '37 seconds'], [90, '90 seconds'], [91, '2 minutes'], [3600, '60 minutes']] as const) t.equal(waiting(seconds), words)
  t.end()
})
