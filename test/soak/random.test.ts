import t from 'tap'
import { Random } from './random.ts'

const draw = (random: Random, count = 1000): number[] => Array.from({ length: count }, () => random.next())

t.test('the same seed gives the same numbers, and another one others', async t => {
  t.same(draw(new Random('seed')), draw(new Random('seed')))
  t.notSame(draw(new Random('seed'), 3), draw(new Random('sees'), 3))
})

t.test('what one part draws changes nothing for another', async t => {
  const [random, other] = [new Random('seed'), new Random('seed')]
  draw(random, 17)

  t.same(draw(random.fork('clients')), draw(other.fork('clients')))
  t.notSame(draw(random.fork('clients'), 3), draw(random.fork('faults'), 3))
})

t.test('numbers are spread over their range, and names over their weights', async t => {
  const random = new Random('seed')
  const numbers = Array.from({ length: 10_000 }, () => random.between(10, 20))
  t.ok(numbers.every(number => number >= 10 && number < 20))
  t.ok(Math.abs(numbers.reduce((sum, number) => sum + number, 0) / numbers.length - 15) < 0.2)

  const counts = { often: 0, seldom: 0, never: 0 }
  for (let count = 0; count < 10_000; count++) counts[random.weigh({ often: 9, seldom: 1, never: 0 })]++
  t.equal(counts.never, 0)
  t.ok(Math.abs(counts.often - 9000) < 300)
})
