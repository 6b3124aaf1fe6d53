import { assertOnce } from '../../lib/once.ts'
import type { Store } from '../store.ts'
import { usedName, type Keys } from './keys.ts'
import type { Scripts } from './scripts.ts'

export function createOnce ({ run }: Scripts, { ofText }: Keys): Pick<Store, 'useOnce'> {
  return {
    async useOnce (name, keepForMs) {
      assertOnce(name, keepForMs)
      const shard = ofText(name)
      const [isFirst] = await run('use-once', shard, [usedName(shard, name)], [keepForMs])
      return isFirst === 1
    }
  }
}
