export default async function orders (fastify) {
  fastify.addHook('onRequest', fastify.portcullis.authenticate({ audience: 'orders', scopes: ['orders:read'] }))
  fastify.get('/', async ({ identity }) => ({ orders: [], of: identity.subject }))
}
