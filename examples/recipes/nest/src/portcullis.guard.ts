import { HttpException, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthenticateDemand } from 'portcullis'

/** Requirements of a handler, or of all handlers of a controller: those of `portcullis.authenticate`. */
export const Demand = Reflector.createDecorator<AuthenticateDemand>()

/** Admits requests that meet the requirements of their handler. A handler without requirements admits no request. */
@Injectable()
export class PortcullisGuard implements CanActivate {
  constructor (private readonly reflector: Reflector) {}

  async canActivate (context: ExecutionContext): Promise<boolean> {
    const demand = this.reflector.getAllAndOverride(Demand, [context.getHandler(), context.getClass()]) as AuthenticateDemand | undefined
    if (demand === undefined) return false
    const http = context.switchToHttp()
    const request = http.getRequest<FastifyRequest>()
    try {
      await request.server.portcullis.identify(request, demand)
      return true
    } catch (error) {
      throw toHttpException(error, http.getResponse<FastifyReply>())
    }
  }
}

/** Returns the exception of Nest for an error of Portcullis, with its code, and sets its headers, such as WWW-Authenticate. */
function toHttpException (error: unknown, reply: FastifyReply): unknown {
  const { code, message, statusCode, headers = {} } = error as { code?: string, message: string, statusCode?: number, headers?: Record<string, string> }
  if (code?.startsWith('PTC_ERR_') !== true || statusCode === undefined) return error
  void reply.headers(headers)
  return new HttpException({ statusCode, code, message }, statusCode, { cause: error })
}
