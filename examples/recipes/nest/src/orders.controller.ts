import { Controller, Delete, Get, HttpCode, Req } from '@nestjs/common'
import type { FastifyRequest } from 'fastify'
import { Demand } from './portcullis.guard.js'

@Controller('orders')
@Demand({ audience: 'orders', scopes: ['orders:read'] })
export class OrdersController {
  @Get()
  list (@Req() request: FastifyRequest): object {
    return { orders: [], of: request.identity.subject }
  }

  @Delete(':id')
  @HttpCode(204)
  @Demand({ audience: 'orders', scopes: ['orders:write'], stepUp: { maxAge: '5m' } })
  cancel (): void {}
}
