import { Type } from '@sinclair/typebox'
import { duration, group } from './fields.ts'

const { Optional } = Type

export const refreshToken = group({
  /** Time for which a superseded token is still accepted after its successor was received (parallel tabs). */
  overlap: Optional(duration({ description: 'Time for which a refresh token is still accepted after its successor was received, for parallel tabs. By default 10s, or half the idle timeout if that is shorter.', minimum: '0s', maximum: '5m' })),
  /** Time for which the predecessor of a token that was never received is accepted (lost responses). Default: the idle timeout. */
  retryWindow: Optional(duration({ description: 'Time for which a client that lost the response may repeat its refresh. By default the idle timeout. With 0s for both settings, every repeated use counts as theft.', minimum: '0s', maximum: '365d' }))
}, { description: 'How much repetition the rotation of refresh tokens tolerates.', default: {} })

/** Default of `overlap`. A configuration shortens it to half of a short idle timeout. */
export const defaultOverlapMs = 10_000
