import t from 'tap'
import { isNavigation } from '../../../lib/http/navigation.ts'

t.test('only a page that is shown as a whole is a navigation', t => {
  const page = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  t.ok(isNavigation('GET', page))
  t.ok(isNavigation('GET', { 'sec-fetch-mode': 'navigate' }))
  for (const [method, headers] of [
    ['POST', page], ['HEAD', page], ['GET', {}], ['GET', { 'sec-fetch-dest': 'document' }],
    ['GET', { ...page, 'sec-fetch-mode': 'cors' }], ['GET', { ...page, 'sec-fetch-dest': 'iframe' }], ['GET', { ...page, 'sec-fetch-dest': 'document, document' }], ['GET', { ...page, 'sec-fetch-mode': 'websocket' }]
  ] as Array<[string, Record<string, string>]>) t.notOk(isNavigation(method, headers), `${method} ${JSON.stringify(headers)}`)
  t.end()
})
